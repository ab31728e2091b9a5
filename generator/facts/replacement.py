"""Which properties of a CloudFormation resource cannot be changed: a new value replaces the resource.

Source: `createOnlyProperties` of the CloudFormation resource provider schemas, as in cfn-lint 1.58.0
(2026-11-26), for the types in cluster/stack/; a test compares them.
"""

from collections.abc import Mapping

CREATE_ONLY: Mapping[str, frozenset[str]] = {
    "AWS::ApiGateway::ApiKey": frozenset({"GenerateDistinctId", "Name", "Value"}),
    "AWS::ApiGateway::Authorizer": frozenset({"RestApiId"}),
    "AWS::ApiGateway::Deployment": frozenset({"DeploymentCanarySettings", "RestApiId"}),
    "AWS::ApiGateway::GatewayResponse": frozenset({"ResponseType", "RestApiId"}),
    "AWS::ApiGateway::Method": frozenset({"HttpMethod", "ResourceId", "RestApiId"}),
    "AWS::ApiGateway::Model": frozenset({"ContentType", "Name", "RestApiId"}),
    "AWS::ApiGateway::RequestValidator": frozenset({"Name", "RestApiId"}),
    "AWS::ApiGateway::Resource": frozenset({"ParentId", "PathPart", "RestApiId"}),
    "AWS::ApiGateway::Stage": frozenset({"RestApiId", "StageName"}),
    "AWS::ApiGateway::UsagePlanKey": frozenset({"KeyId", "KeyType", "UsagePlanId"}),
    "AWS::CloudWatch::Alarm": frozenset({"AlarmName"}),
    "AWS::EC2::VPCEndpoint": frozenset(
        {
            "DnsOptions",
            "ResourceConfigurationArn",
            "ServiceName",
            "ServiceNetworkArn",
            "ServiceRegion",
            "VpcEndpointType",
            "VpcId",
        }
    ),
    "AWS::Events::Rule": frozenset({"Name"}),
    "AWS::IAM::Role": frozenset({"Path", "RoleName"}),
    "AWS::Lambda::EventSourceMapping": frozenset(
        {"EventSourceArn", "SelfManagedEventSource", "StartingPosition", "StartingPositionTimestamp"}
    ),
    "AWS::Lambda::Function": frozenset({"FunctionName", "PackageType", "TenancyConfig"}),
    "AWS::Lambda::Permission": frozenset(
        {
            "Action",
            "EventSourceToken",
            "FunctionName",
            "FunctionUrlAuthType",
            "InvokedViaFunctionUrl",
            "Principal",
            "PrincipalOrgID",
            "SourceAccount",
            "SourceArn",
        }
    ),
    "AWS::Logs::LogGroup": frozenset({"LogGroupName"}),
    "AWS::S3::Bucket": frozenset({"BucketName", "BucketNamePrefix", "BucketNamespace"}),
    "AWS::S3::BucketPolicy": frozenset({"Bucket"}),
    "AWS::SNS::Subscription": frozenset({"Endpoint", "Protocol", "TopicArn"}),
    "AWS::SNS::Topic": frozenset({"FifoTopic", "TopicName"}),
    "AWS::SQS::Queue": frozenset({"FifoQueue", "QueueName"}),
    "AWS::SecretsManager::Secret": frozenset({"Name"}),
}
# Types that hold data of users.
HOLD_DATA = frozenset({"AWS::S3::Bucket", "AWS::SQS::Queue"})
