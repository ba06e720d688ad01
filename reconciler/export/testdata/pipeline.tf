# prod/main/django: what policy otel-sampler changes (rollout 1c7e02a9b3d4, plan 5f0c7e2b9a1d4c36, exported)
# It is no whole definition: put the entries of environment into container_definitions of the resource aws_ecs_task_definition with that family, and leave everything else there as it is.
# Service arn:aws:ecs:eu-west-1:111122223333:service/main/django, which runs django:7
# Owner: github-actions; the running revision was registered by arn:aws:sts::111122223333:assumed-role/github-actions/run
# Why: SidecarCrash since 2026-11-22T13:00:00Z: the agent dies
# Lost: a ratio of 0.01 keeps 1 % of new traces
resource "aws_ecs_task_definition" "django" { # the name that it has in your configuration
  family = "django"
  container_definitions = jsonencode([
    {
      name = "app"
      environment = [
        { name = "OTEL_TRACES_SAMPLER", value = "parentbased_traceidratio" }, # now "xray"
        { name = "OTEL_TRACES_SAMPLER_ARG", value = "0.01" }, # now "endpoint=http://localhost:2000"
      ]
    },
    {
      name = "worker"
      environment = [
        { name = "OTEL_TRACES_SAMPLER", value = "parentbased_traceidratio" }, # as it is
        { name = "OTEL_TRACES_SAMPLER_ARG", value = "0.01" }, # not set now
      ]
    },
  ])
}
