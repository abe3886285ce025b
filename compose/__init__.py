"""What only the containers of docker-compose.yml need. Standard library alone."""
