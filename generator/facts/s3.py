"""What S3 reserves of bucket names.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
"""

RESERVED_PREFIXES = ("xn--", "sthree-", "amzn-s3-demo-")
RESERVED_SUFFIXES = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")
