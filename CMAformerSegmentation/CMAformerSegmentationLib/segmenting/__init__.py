"""The section Segment: one volume, its result, its region, and what it can be exported to."""
