"""Real Llama Stack and OGX servers on 127.0.0.1: installed once into ~/.cache, booted in seconds, no network and no model download."""
