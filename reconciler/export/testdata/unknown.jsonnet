// prod/main/django: what policy otel-sampler changes (rollout 1c7e02a9b3d4, plan 5f0c7e2b9a1d4c36, exported)
// It is no whole definition: put the entries of environment into containerDefinitions of ecs-task-def.json or ecs-task-def.jsonnet, and leave everything else there as it is.
// Service arn:aws:ecs:eu-west-1:111122223333:service/main/django, which runs django:7
// Owner: unknown; ECS does not tell who registered the revision
// Why: SidecarCrash since 2026-11-22T13:00:00Z: the agent dies
// Lost: a ratio of 0.01 keeps 1 % of new traces
{
  "containerDefinitions": [
    {
      "name": "app",
      "environment": [
        // now "xray"
        { "name": "OTEL_TRACES_SAMPLER", "value": "parentbased_traceidratio" },
        // now "endpoint=http://localhost:2000"
        { "name": "OTEL_TRACES_SAMPLER_ARG", "value": "0.01" }
      ]
    },
    {
      "name": "worker",
      "environment": [
        // as it is
        { "name": "OTEL_TRACES_SAMPLER", "value": "parentbased_traceidratio" },
        // not set now
        { "name": "OTEL_TRACES_SAMPLER_ARG", "value": "0.01" }
      ]
    }
  ]
}
// The same change for 1 other service(s) of an owner that is not known either:
//   prod/main/api
