"""What several sections share."""
