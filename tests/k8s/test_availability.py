"""Nothing is lost when pods come and go."""

from manifests import availability
from manifests.world import matches


def test_budgets_spread_grace_and_autoscalers_fit_together(world):
    found = list(availability.complaints(world))
    assert not found, "\n".join(found)


def test_the_end_of_a_pod_is_added_up_from_what_its_files_say(worlds):
    production, nginx = worlds["overlays/production"], worlds["nginx-gateway"]
    assert availability.stopping_seconds(production.pod("kong"), production) == 20 + 35 + 4
    assert availability.stopping_seconds(production.pod("quota-redis"), production) == 20
    assert availability.stopping_seconds(nginx.pod("nginx-gateway"), nginx) == \
        20 + availability.shutdown_timeout_of_nginx(nginx) + 4


def test_nginx_lets_the_longest_answer_end(worlds):
    nginx = worlds["nginx-gateway"]
    assert availability.shutdown_timeout_of_nginx(nginx) > \
        availability.longest_answer_of_nginx(nginx) == 40


def test_a_scaler_and_a_scaled_object_never_share_a_deployment(worlds):
    kinds = {name: [(one["kind"], one["spec"]["scaleTargetRef"]["name"])
                    for one in world.objects if "scaleTargetRef" in one.get("spec", {})]
             for name, world in worlds.items()}
    assert kinds["overlays/production"] == [("HorizontalPodAutoscaler", "kong")]
    assert kinds["production-keda"] == [("ScaledObject", "kong")]
    assert kinds["nginx-keda"] == [("ScaledObject", "nginx-gateway")]
    assert kinds["overlays/development"] == []


def test_development_is_one_of_each_without_redis(worlds):
    world = worlds["overlays/development"]
    assert {pod.name: pod.replicas for pod in world.pods() if pod.kind != "Job"} == {
        "kong": 1, "kong-postgres": 1, "api": 1, "api-v2": 1}
    assert not world.of_kind("PodDisruptionBudget")
    env = world.pod("kong").env("quotad")
    assert env["QUOTAD_STORE"].startswith("local:///var/lib/quotad/")
    assert not any("redis" in str(one).lower() and "quota-redis" in str(one)
                   for one in world.of_kind("NetworkPolicy"))
    # A state file has one quotad.
    assert world.get("Deployment", "kong")["spec"]["strategy"] == {"type": "Recreate"}


def test_production_has_three_of_what_must_not_be_away(worlds):
    for name in ("overlays/staging", "overlays/production"):
        replicas = {pod.name: pod.replicas for pod in worlds[name].pods()}
        assert replicas["kong"] == replicas["quota-redis"] == 3


def test_sentinels_never_share_a_node(worlds):
    pod = worlds["overlays/production"].pod("quota-redis")
    terms = pod.spec["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert [term["topologyKey"] for term in terms] == ["kubernetes.io/hostname"]
    assert matches(terms[0]["labelSelector"], pod.labels)
    # Each waits for two Sentinels: one after the other they would wait for ever.
    assert pod.owner["spec"]["podManagementPolicy"] == "Parallel"
    assert worlds["overlays/production"].get("Service", "quota-redis")["spec"][
        "publishNotReadyAddresses"] is True
