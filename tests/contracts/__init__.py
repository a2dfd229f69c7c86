"""What every engine and every source must do; subclassed once for each."""
