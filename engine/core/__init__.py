"""The pure steps: route, detect, decide. No clock, no network, no logging, no chance, no set order."""
