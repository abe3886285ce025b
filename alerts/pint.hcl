# What every alert must have. The tests run: pint --config alerts/pint.hcl --offline lint --min-severity info --fail-on info

parser {
  schema = "prometheus"
  names  = "utf-8"
}

rule {
  match { kind = "alerting" }

  label "severity" {
    severity = "bug"
    value    = "critical|warning|info|none"
    required = true
  }
  label "team" {
    severity = "bug"
    value    = "platform|ai_services|product|database|cache|security"
    required = true
  }
  label "symptom" {
    severity = "bug"
    value    = "[a-z_]+"
    required = true
  }
  annotation "summary" {
    severity = "bug"
    value    = ".*\\p{Han}.*"
    required = true
  }
  annotation "summary_en" {
    severity = "bug"
    value    = "[ -~]+"
    required = true
  }
  annotation "description" {
    severity = "bug"
    value    = "(?s).*\\p{Han}.*"
    required = true
  }
  annotation "description_en" {
    severity = "bug"
    value    = "[ -~]+"
    required = true
  }
  annotation "runbook_url" {
    severity = "bug"
    value    = "http://localhost:9095/runbooks/{{ $alert }}"
    required = true
  }
  annotation "dashboard_url" {
    severity = "bug"
    value    = "http://localhost:3000/d/wxiai-(business|http|database|cache|security|slo|pipeline)"
    required = true
  }
}
