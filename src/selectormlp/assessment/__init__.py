"""What a panel is worth: AnnData and a panel in, measurements out."""
