"""The commands to try against a running sandbox and DAG, to be copied as they are: a few, and the long tour."""

from __future__ import annotations

from string import Template

from dag_sandbox.addresses import Addresses

_QUICK = Template("""\
  eval "$$($dag sandbox job)"   # this shell is now a CI job on main, with dag on its PATH
  dag deploy $charts/hello --deploy-version 1.0.0 --dry-run     # what it would change
  dag deploy $charts/hello --deploy-version 1.0.0
  dag deploy $charts/hello --deploy-version 1.0.1 --set sandbox.outcome=fail
  ID=$$(dag deploy $charts/hello --deploy-version 1.0.2 --no-wait)
  dag cancel $$ID                   # only before it is pushed
  dag watch $$ID; dag status $$ID
  dag sandbox tour                 # more to try: curl, Argo CD, Helm
  dag sandbox --help               # how a rollout can end
""")

_TOUR = Template("""\
# Be a CI job of the project, on its branch main:
eval "$$($dag sandbox job main)"

# Deploy the sample chart, watch it to its end, and read back what was committed:
dag deploy $charts/hello --deploy-version 1.0.0
dag get-values

# Deploy it as anything that can send a form would, and follow the stream to its end:
WORK=$$(mktemp -d)
tar -C $charts -czf $$WORK/hello.tgz hello
ID=$$(curl -sS $$DAG_SERVER_URL/api/deploy -F repoUrl=$$DAG_REPO_URL -F jobId=$$DAG_JOB_ID \\
  -F jobToken=$$DAG_JOB_TOKEN -F version=1.0.1 -F chart=@$$WORK/hello.tgz \\
  | sed 's/.*"deploymentId":"\\([^"]*\\)".*/\\1/'); echo $$ID
curl -N $$DAG_SERVER_URL/api/deployments/$$ID/events

# Read back what was committed last, values and chart; whether its rollout succeeded is for the deployment to say:
ASK="{\\"repoUrl\\": \\"$$DAG_REPO_URL\\", \\"jobId\\": \\"$$DAG_JOB_ID\\", \\"jobToken\\": \\"$$DAG_JOB_TOKEN\\"}"
curl -sS $$DAG_SERVER_URL/api/get/values -H 'Content-Type: application/json' -d "$$ASK"; echo
curl -sS $$DAG_SERVER_URL/api/get/chart -H 'Content-Type: application/json' -d "$$ASK" | tar -tz

# Everything DAG knows of it, and what it committed:
curl -sS $$DAG_SERVER_URL/api/deployments/$$ID; echo
git clone -q $iac $$WORK/iac && git -C $$WORK/iac show --stat

# In environments that others than Flux bring to the cluster; each follows a branch, so each takes a job of its own:
for KIND in argocd helm workload; do
  eval "$$(dag sandbox job $$KIND)"
  dag deploy $charts/hello --deploy-version 1.0.0 --environment $$KIND
done

# And twice more on main; the second one fails, and says why:
eval "$$(dag sandbox job main)"
dag deploy $charts/hello --deploy-version 1.1.0 --set greeting='Good morning'
dag deploy $charts/hello --deploy-version 1.1.1$broken
""")


def quick_start(charts: str, dag: str) -> str:
    """The first commands, few enough for the end of a screen.

    `charts` is the directory that holds the chart hello, `dag` how to call the dag command.
    """
    return _QUICK.substitute(charts=charts, dag=dag)


def tour(addresses: Addresses, charts: str, dag: str, broken: str) -> str:
    """All there is to try; `broken` are the flags of a deployment that fails."""
    return _TOUR.substitute(iac=addresses.iac_url_to_clone, charts=charts, dag=dag, broken=broken)
