"""From records to what people read; knows the record schema and nothing else of the benchmark."""
