"""What Grafana shows of a farm: built by `dashboards.build`, committed in ``provisioning/`` as Grafana reads it."""
