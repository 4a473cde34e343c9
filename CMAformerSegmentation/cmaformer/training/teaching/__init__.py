"""How the teacher teaches: what it says of unlabeled images, and how the student learns from that."""
