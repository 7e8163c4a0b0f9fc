"""What a deploy leaves on a host and goes by: the plan, the record, former releases, users."""
