"""deploy.sh when something is wrong: the right step stops, says why, and a second run goes on."""

import re
import signal
import time

import pytest

from cluster import BUILD_DIR


def steps_of(done):
    return re.findall(r"^Step (\d) of 6", done.stdout, re.MULTILINE)


def runs_out_of_time_in(step):
    """Long enough to get to what is wrong, on a busy machine too."""
    return {"environment": {f"QUOTA_STEP_{step}_TIMEOUT": "3"}}


def no_default_class(cluster):
    cluster.remove("StorageClass", "standard")
    cluster.put("StorageClass", "slow")


def old_node(cluster):
    cluster.put("Node", "node-2", status={"nodeInfo": {"kubeletVersion": "v1.28.9"}})


def unknown_class(cluster):
    cluster.edit("full", "databases.yaml", "accessModes", "storageClassName: fast, accessModes")


def foreign_secret(cluster):
    cluster.edit("full", "gateway.yaml", "configMap: {name: quota-policy}}",
                 "configMap: {name: quota-policy}}\n        - {name: tls, secret: {secretName: tls}}")


def traffic_is_moved(cluster):
    cluster.put("Service", "kong-proxy", metadata={"annotations": {"quotagate/backend": "v2"}},
                spec={})


@pytest.mark.parametrize("fault, why, more", [
    ({"api_down": True}, "the cluster does not answer: The connection to the server", "cluster-info"),
    ({"client_minor": 20}, "this kubectl is version 1.20; kustomize Components need", "version"),
    ({"server_minor": 28}, "the cluster is version 1.28. quotad runs as a native sidecar", "version"),
    (old_node, "older than 1.29 and cannot run sidecars: node-2 (v1.28.9)", "get nodes"),
    ({"forbidden": ["create secrets"]}, "you may not create secrets", "auth can-i --list"),
    ({"missing_kinds": ["PodMonitor"]}, "PodMonitor (monitoring.coreos.com)", "get crds"),
    ({"missing_kinds": ["ScaledObject"]}, "ScaledObject (keda.sh)", "get crds"),
    ({"hang": ["auth"]}, "'kubectl auth' got no answer within the time limit of 3 s", "can-i"),
    (no_default_class, "no StorageClass is the default one", "get storageclasses"),
    (unknown_class, "there is no StorageClass fast", "get storageclasses"),
    (foreign_secret, "these Secrets must exist in namespace api-gateway before pods can start, and "
     "their contents are yours to know: tls", "create secret"),
    (traffic_is_moved, "all traffic of Service kong-proxy goes to backend v2", "describe service"),
])
def test_a_check_that_fails_stops_everything_before_it_begins(cluster, fault, why, more):
    if callable(fault):
        fault(cluster)
    else:
        cluster.set(**fault)
    done = cluster.deploy("--yes", **runs_out_of_time_in(1))
    assert done.returncode == 1
    assert done.stderr.startswith("deploy.sh: step 1 of 6 (checks) failed: ")
    assert why in done.stderr
    assert "More is shown by:" in done.stderr and more in done.stderr
    assert cluster.changes() == []


@pytest.mark.parametrize("fault, step, why, more", [
    ({"hang": ["apply"]}, 2, "'kubectl apply' got no answer within the time limit of 3 s", "events"),
    ({"apply_fails": ["default-deny"]}, 2, "network policies cannot be applied: Error from server "
     "(Forbidden)", "get events"),
    ({"pvc_pending": ["kong-postgres"]}, 2, "no volume yet for PersistentVolumeClaim "
     "data-kong-postgres-0", "describe persistentvolumeclaims"),
    ({"job_failed": ["kong-migrations"]}, 2, "Job kong-migrations has failed",
     "logs job/kong-migrations"),
    ({"job_runs_forever": ["kong-migrations"]}, 2, "Job kong-migrations: not within the time limit "
     "of 3 s", "describe job kong-migrations"),
    ({"pvc_pending": ["quota-redis"]}, 3, "no volume yet for PersistentVolumeClaim "
     "data-quota-redis-0", "describe statefulset quota-redis"),
    ({"no_quorum": True}, 3, "Sentinel says: NOQUORUM", "logs quota-redis-0 -c sentinel"),
    ({"apply_fails": ["kong-proxy"]}, 4, "gateway cannot be applied", "get events"),
    ({"rollout_stuck": ["kong"]}, 4, "not within the time limit of 3 s; last seen: Deployment kong: "
     "0 of 3 pods ready", "rollout status deployment/kong"),
    ({"rollout_stuck": ["kong"]}, 4, "CrashLoopBackOff", "logs deployment/kong --all-containers"),
    ({"rollout_stuck": ["kong"], "gave_up": ["kong"]}, 4, "Kubernetes has given up waiting",
     "rollout status deployment/kong"),
    ({"exec_fails": {"1": 9999}}, 4, "2 of 3 quotads answer; pod kong-", "get pods"),
    ({"store_down": True}, 4, "quotactl: Redis cannot be reached", "-c quotad"),
    ({"token_refused": True}, 5, "quotad's admin token", "-c quotad"),
    ({"job_failed": ["kong-config"]}, 5, "Job kong-config has failed", "logs job/kong-config"),
    ({"apply_fails": ["quotagate-dashboards"]}, 6, "monitors, alerts and dashboards cannot be "
     "applied", "get events"),
])
def test_the_right_step_stops_and_a_second_run_goes_on(cluster, fault, step, why, more):
    cluster.set(**fault)
    done = cluster.deploy("--yes", **runs_out_of_time_in(step))
    assert done.returncode == 1
    assert f"deploy.sh: step {step} of 6 (" in done.stderr
    assert why in done.stderr
    assert "More is shown by:" in done.stderr and more in done.stderr
    assert "run the same command again" in done.stderr
    assert steps_of(done)[-1] == str(step)
    secrets = {name: cluster.secret(name) for name in cluster.names("Secret")}
    runs = cluster.load()["job_runs"]

    cluster.heal()
    cluster.deployed()
    assert {name: cluster.secret(name) for name in secrets} == secrets
    again = {2: ["kong-migrations", "kong-config"], 3: ["kong-config"], 4: ["kong-config"],
             5: ["kong-config"], 6: []}[step]
    if "job_runs_forever" in fault:
        again = ["kong-config"]  # it ran on, and was waited for
    assert cluster.load()["job_runs"] == runs + again
    assert [name for name in cluster.names("ConfigMap") if "revision" in name] == \
        ["quotagate-revision-1"]


def test_a_kubectl_that_hangs_is_given_up(cluster):
    cluster.set(hang=["auth"])
    begun = time.monotonic()
    assert cluster.deploy("--yes", **runs_out_of_time_in(1)).returncode == 1
    assert time.monotonic() - begun < 30


def test_pods_that_do_not_get_the_new_policy_are_noticed(running):
    running.edit("full", "configuration.yaml", "requests_per_minute: 100", "requests_per_minute: 10")
    running.set(deaf_kubelet=["2"])
    done = running.deploy("--yes", **runs_out_of_time_in(5))
    assert done.returncode == 1
    assert "step 5 of 6 (plugins and policy) failed: the new policy: not within" in done.stderr
    assert "is in force in 2 of 3 pods" in done.stderr
    running.heal()
    running.deployed()


def test_a_wrong_policy_reaches_no_pod(running):
    before = running.get("ConfigMap", "quota-policy")
    running.edit("full", "configuration.yaml", "requests_per_minute", "requests_per_minut")
    done = running.deploy("--yes")
    assert done.returncode == 1
    assert "step 5 of 6 (plugins and policy) failed: the policy is not valid: " in done.stderr
    assert "policy.yaml:3:10: unknown key `requests_per_minut`" in done.stderr
    assert running.get("ConfigMap", "quota-policy") == before


def test_a_quotactl_at_hand_finds_a_wrong_policy_before_anything_is_changed(running):
    running.edit("full", "configuration.yaml", "requests_per_minute", "requests_per_minut")
    done = running.deploy("--yes", environment={"QUOTACTL": str(BUILD_DIR / "quotactl")})
    assert done.returncode == 1
    assert "step 1 of 6 (checks) failed: the policy is not valid: policy.yaml:3:10" in done.stderr
    assert running.changes() == []


def test_it_can_be_stopped_while_it_waits(cluster):
    cluster.set(job_runs_forever=["kong-migrations"])
    process = cluster.start("deploy.sh", "--overlay", cluster.overlay("full"), "--yes")
    for line in process.stdout:
        if "Job kong-migrations runs" in line:
            break
    process.send_signal(signal.SIGTERM)
    _, complaint = process.communicate(timeout=20)
    assert process.returncode == 143
    assert "stopped in step 2 of 6 (PostgreSQL). Run it again to go on." in complaint


def test_a_kubectl_that_is_not_there_is_named(cluster):
    (cluster.bin / "kubectl").unlink()
    done = cluster.deploy("--yes", environment={"PATH": f"{cluster.bin}:{cluster.tools()}"})
    assert done.returncode == 1
    assert "deploy.sh: these programs are not on the PATH: kubectl." in done.stderr


def test_the_gateway_is_renewed_before_its_policy(running):
    running.edit("full", "configuration.yaml", "requests_per_minute: 100", "requests_per_minute: 10")
    running.edit("full", "gateway.yaml", "quotagate/quotad:0.1.0", "quotagate/quotad:0.2.0")
    running.set(rollout_stuck=["kong"])
    before = running.get("ConfigMap", "quota-policy")
    assert running.deploy("--yes", **runs_out_of_time_in(4)).returncode == 1
    assert running.get("ConfigMap", "quota-policy") == before


def test_an_import_that_no_pod_has_taken_up_is_taken_up_by_a_second_run(running):
    running.edit("full", "configuration.yaml", '"3.0"', '"3.1"')
    running.set(rollout_stuck=["kong"])
    done = running.deploy("--yes", **runs_out_of_time_in(5))
    assert done.returncode == 1
    assert "step 5 of 6" in done.stderr
    running.heal()
    running.deployed()
    assert running.load()["job_runs"].count("kong-config") == 2
    mark = running.get("Deployment", "kong")["spec"]["template"]["metadata"]["annotations"]
    assert mark["quotagate/kong-config"] == \
        running.get("Job", "kong-config")["metadata"]["annotations"]["quotagate/fingerprint"]
