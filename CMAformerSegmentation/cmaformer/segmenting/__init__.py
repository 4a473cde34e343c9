"""From a volume to a label map, cleaned up and measured; one volume, many, or jobs from standard input."""
