"""How fast the compiled files are, and where their time goes. Run by hand; nothing here is part of an export."""
