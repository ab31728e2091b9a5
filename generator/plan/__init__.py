"""What a solution will be: resources, quotas, cost, licences."""
