"""The commands that CI jobs and people call: `dag`, and the classic dag-deploy, dag-get-chart, dag-get-values.

It stands alone: it knows the gateway's HTTP API and nothing of the services.
"""
