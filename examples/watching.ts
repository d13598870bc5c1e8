/**
 * What one sees of credentials from outside, by OpenTelemetry and at one look: `npx tsx examples/watching.ts`.
 *
 *     span   Credentials.acquire {"provider":"Billing"} ok
 *     span   Credentials.acquire {"provider":"Billing"} failed
 *     span   Credentials.acquire {"provider":"Billing"} ok
 *     metric effect_credentials_renewals_failed {"provider":"Billing"} 1
 *     metric effect_credentials_tokens_issued {"provider":"Billing"} 2
 *     metric effect_credentials_wait_seconds {"provider":"Billing"} 3 flights
 *     status Billing: fresh, expires in 1h, next renewal in 59m
 *     log    WARN
 */
import * as Metrics from "@effect/opentelemetry/Metrics"
import * as Resource from "@effect/opentelemetry/Resource"
import * as Tracer from "@effect/opentelemetry/Tracer"
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  PeriodicExportingMetricReader
} from "@opentelemetry/sdk-metrics"
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-base"
import { Effect, Layer, Logger } from "effect"
import { Credentials, Status } from "effect-credentials"
import * as Testing from "effect-credentials/Testing"
import { say } from "./support/terminal.ts"

// In place of a collector: what would be sent there stays in memory. Your own program has its exporters here.
const spans = new InMemorySpanExporter()
const metrics = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE)
const reader = new PeriodicExportingMetricReader({ exporter: metrics, exportIntervalMillis: 60_000 })
const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(spans)] })
const OpenTelemetry = Layer.mergeAll(
  Tracer.layer.pipe(Layer.provide(Layer.succeed(Tracer.OtelTracerProvider, provider))),
  Metrics.layer(() => reader)
).pipe(Layer.provide(Resource.layer({ serviceName: "billing" })))

// Any provider will do; this one fails when told.
const billing = Testing.credentials({ name: "Billing" })

// The failure is a warning; all that goes well is DEBUG, which nobody sees who does not ask for it.
const logged: Array<string> = []
const Log = Logger.replace(
  Logger.defaultLogger,
  Logger.make(({ logLevel }) => void logged.push(logLevel.label))
)

const program = Effect.gen(function* () {
  const { status, token } = yield* Credentials.Credentials
  yield* token
  yield* billing.expire
  billing.failNext({ _tag: "Unavailable", status: 503 })
  yield* Effect.ignore(token)
  yield* billing.expire
  yield* token
  yield* Effect.promise(() => reader.forceFlush())
  return Status.format(yield* status)
}).pipe(Effect.provide(Layer.provideMerge(billing.layer, Layer.merge(OpenTelemetry, Log))))

const shown = (attributes: unknown): string => JSON.stringify(attributes, ["provider"])
const line = await Effect.runPromise(program)
for (const { attributes, name, status } of spans.getFinishedSpans()) {
  say(`span   ${name} ${shown(attributes)} ${status.code === 1 ? "ok" : "failed"}`)
}
const exported: ReadonlyArray<any> =
  metrics
    .getMetrics()
    .at(-1)
    ?.scopeMetrics.flatMap((scope: any) => scope.metrics) ?? []
const points = exported.flatMap(({ dataPoints, descriptor }) =>
  dataPoints
    .filter(({ attributes }: any) => attributes.provider === "Billing")
    .map(({ attributes, value }: any) => {
      const told = value.count === undefined ? value : `${value.count} flights`
      return `metric ${descriptor.name} ${shown(attributes)} ${told}`
    })
)
for (const point of points.sort()) say(point)
say(`status ${line}`)
say(`log    ${logged.join(", ")}`)
