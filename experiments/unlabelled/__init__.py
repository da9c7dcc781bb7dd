"""What texts without labels are worth: soft labels by a teacher, and the page that sums it up."""
