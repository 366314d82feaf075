"""What happens inside of pods: quotactl beside quotad, redis-cli beside Sentinel, signals."""

import json
import os
import sys

OK, ERROR, NOT_PERMITTED = 0, 1, 4
NO_REDIS = "quotactl: Redis cannot be reached: no connection to quota-redis"


def complain(text, code):
    sys.stderr.write(f"{text}\ncommand terminated with exit code {code}\n")
    return code


def run(cluster, pod, container, argv):
    names = [c["name"] for c in pod["spec"].get("initContainers", []) + pod["spec"]["containers"]]
    if container not in names:
        return complain(f"error: container {container} is not valid for pod", ERROR)
    if argv[0] == "quotactl":
        return quotactl(cluster, pod["metadata"]["name"], argv[1:], False)
    if argv[:2] == ["sh", "-c"] and "exec quotactl" in argv[2]:
        return quotactl(cluster, pod["metadata"]["name"], argv[4:], True)
    if argv[:2] == ["sh", "-c"] and "redis-cli" in argv[2]:
        return sentinel(cluster)
    if argv == ["sh", "-c", "kill -HUP 1"]:
        cluster.state["reloads"].append(pod["metadata"]["name"])
        return OK
    return complain(f"exec: {argv[0]}: not found", 127)


def sentinel(cluster):
    if cluster.faults.get("no_quorum"):
        print("NOQUORUM 1 usable Sentinels. Not enough available Sentinels to reach the majority")
    else:
        print("OK 3 usable Sentinels. Quorum and failover authorization can be reached")
    return OK


def real_quotactl(pod, argv):
    """For a pod whose quotad is played by a real one, with the environment of its container."""
    import subprocess
    tools = os.path.dirname(os.environ["FAKE_QUOTACTL"])
    code = subprocess.run(argv, check=False, env={
        "PATH": f"{tools}:/usr/bin:/bin", "QUOTACTL_ADMIN": pod["admin"],
        "QUOTAD_ADMIN_TOKEN_FILE": pod["token_file"]}).returncode
    if code:
        sys.stderr.write(f"command terminated with exit code {code}\n")
    return code


def validate(policy):
    """By the real quotactl. The key that a policy may name is in pods only, so any file will do."""
    policy = policy.replace("/etc/quota/jwt/jwt.key", os.environ["FAKE_CLUSTER"] + "/jwt.key")
    import subprocess
    return subprocess.run([os.environ["FAKE_QUOTACTL"], "validate", "/dev/stdin", "--json"],
                          input=policy, capture_output=True, text=True, check=False)


def quotactl(cluster, pod, argv, has_token):
    quotad = cluster.state["quotads"][pod]
    command = argv[0]
    if command == "validate":
        done = validate(sys.stdin.read())
        print(done.stdout, end="")
        sys.stderr.write(done.stderr)
        return done.returncode
    if command == "consumer":
        if cluster.faults.get("store_down"):
            return complain(NO_REDIS, ERROR)
        print('{\n  "consumers": []\n}')
        return OK
    words = [word for word in argv[1:] if word in ("shadow", "off", "enforce", "policy")]
    if (words or command == "reload") and (not has_token or cluster.faults.get("token_refused")):
        return complain("quotactl: the Authorization header does not carry quotad's admin token",
                        NOT_PERMITTED)
    if command == "reload":
        done = validate(quotad["policy"])
        print(json.dumps({"hash": json.loads(done.stdout)["hash"]}, indent=2))
        return OK
    assert command == "mode", argv
    if words and "--local" not in argv and cluster.faults.get("store_down"):
        return complain(NO_REDIS, ERROR)
    if words:
        set_mode(cluster, quotad, words[0], "--local" in argv)
    mode = quotad["mode"] or cluster.state["shared_mode"]
    print(json.dumps({"mode": mode or "enforce", "source": "override" if mode else "policy",
                      "policy_mode": "enforce", "scope": "local" if quotad["mode"] and
                      not cluster.state["embedded"] else "all",
                      "since_unix_ms": 1795191792076}, indent=2))
    return OK


def set_mode(cluster, quotad, word, local):
    mode = None if word == "policy" else word
    if local or cluster.state["embedded"]:
        quotad["mode"] = mode
    else:
        cluster.state["shared_mode"] = mode
        for one in cluster.state["quotads"].values():
            one["mode"] = None
