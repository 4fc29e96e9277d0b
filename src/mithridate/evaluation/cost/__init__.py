"""What verification costs: whole rounds beside plain ones, and each gate by itself among three processes."""
