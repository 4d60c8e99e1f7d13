"""`msa-bench report`: from any number of run directories to figures, tables and one page that holds them all."""
