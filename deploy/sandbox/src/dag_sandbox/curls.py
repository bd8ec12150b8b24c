"""The commands to try against a running sandbox and DAG, complete, to be copied as they are."""

from __future__ import annotations

from string import Template

from dag_sandbox.addresses import PROJECT, Addresses

_COMMANDS = Template("""\
# Be a CI job of $project, on its branch main:
JOB=$$(curl -sS $gitlab/_jobs -d '{"project": "$project", "ref": "main"}')
JOB_ID=$$(sed 's/.*"jobId":"\\([^"]*\\)".*/\\1/' <<< "$$JOB")
JOB_TOKEN=$$(sed 's/.*"token":"\\([^"]*\\)".*/\\1/' <<< "$$JOB")

export DAG_SERVER_URL=$server DAG_REPO_URL=$repo DAG_JOB_ID=$$JOB_ID DAG_JOB_TOKEN=$$JOB_TOKEN

# Deploy the sample chart, watch it to its end, and read back what runs:
$dag deploy $charts/hello --deploy-version 1.0.0
$dag get-values

# Deploy it as anything that can send a form would, and follow the stream to its end:
tar -C $charts -czf /tmp/hello.tgz hello
ID=$$(curl -sS $server/api/deploy -F repoUrl=$repo -F jobId=$$JOB_ID -F jobToken=$$JOB_TOKEN \\
  -F version=1.0.1 -F chart=@/tmp/hello.tgz | sed 's/.*"deploymentId":"\\([^"]*\\)".*/\\1/'); echo $$ID
curl -N $server/api/deployments/$$ID/events

# Read back what is deployed, values and chart:
ASK="{\\"repoUrl\\": \\"$repo\\", \\"jobId\\": \\"$$JOB_ID\\", \\"jobToken\\": \\"$$JOB_TOKEN\\"}"
curl -sS $server/api/get/values -H 'Content-Type: application/json' -d "$$ASK"; echo
curl -sS $server/api/get/chart -H 'Content-Type: application/json' -d "$$ASK" | tar -tz

# Everything DAG knows of it, and what it committed:
curl -sS $server/api/deployments/$$ID; echo
rm -rf /tmp/iac && git clone -q $iac /tmp/iac && git -C /tmp/iac show --stat

# In environments that others than Flux bring to the cluster; each follows a branch, so each takes a job of its own:
for KIND in argocd helm workload; do
  JOB=$$(curl -sS $gitlab/_jobs -d '{"project": "$project", "ref": "'$$KIND'"}')
  $dag deploy $charts/hello --deploy-version 1.0.0 --environment $$KIND \\
    --job-id $$(sed 's/.*"jobId":"\\([^"]*\\)".*/\\1/' <<< "$$JOB") \\
    --job-token $$(sed 's/.*"token":"\\([^"]*\\)".*/\\1/' <<< "$$JOB")
done

# And twice more on main; the second one fails, and says why:
$dag deploy $charts/hello --deploy-version 1.1.0 --set greeting='Good morning'
$dag deploy $charts/hello --deploy-version 1.1.1$broken
""")


def commands(server: str, addresses: Addresses, charts: str, dag: str, broken: str) -> str:
    """The text.

    `charts` is the directory that holds the chart hello, `dag` how to call the dag command, `broken` the flags of a
    deployment that fails.
    """
    return _COMMANDS.substitute(
        server=server,
        gitlab=addresses.gitlab,
        repo=addresses.repo_url,
        iac=addresses.iac_url_to_clone,
        project=PROJECT,
        charts=charts,
        dag=dag,
        broken=broken,
    )
