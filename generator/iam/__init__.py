"""IAM policies: of the roles, and of the person or pipeline that deploys."""
