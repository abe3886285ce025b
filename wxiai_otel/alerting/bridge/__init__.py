"""What stands between Alertmanager and the chats' robots: ``wxiai-otel bridge``."""
