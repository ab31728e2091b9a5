"""Policy documents: of the roles, and of whoever deploys."""
