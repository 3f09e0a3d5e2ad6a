"""The engine on Kafka: a Faust worker, the same steps in stages joined by topics, and what helps to run it."""
