"""What is wrong with the cases of a training, found before any work is done."""
