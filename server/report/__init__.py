"""The closing report (结案报告): one model of what a test has said, rendered as HTML, JSON, CSV and XLSX."""
