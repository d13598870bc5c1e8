/**
 * Logs in to PILOT and asks for projects: `npx tsx examples/vendors/pilot.ts`. The portal is a stand-in on this machine; with API_GATEWAY, PILOT_USERNAME and PILOT_PASSWORD set it is yours.
 */
import { FetchHttpClient } from "@effect/platform"
import { Config, ConfigProvider, Effect, Layer } from "effect"
import { AuthenticatedHttpClient } from "effect-credentials"
import * as Pilot from "effect-credentials/Pilot"
import { standIn } from "../support/standIn.ts"
import { pilot } from "../support/standIns/pilot.ts"
import { say } from "../support/terminal.ts"

const program = Effect.gen(function* () {
  const gateway = yield* Config.string("API_GATEWAY")
  const PilotLive = AuthenticatedHttpClient.layer({ origins: [new URL(gateway).origin] }).pipe(
    Layer.provideMerge(Pilot.layerConfig()),
    Layer.provide(FetchHttpClient.layer)
  )
  yield* Effect.provide(
    Effect.gen(function* () {
      const client = yield* AuthenticatedHttpClient.AuthenticatedHttpClient
      const projects = yield* Effect.flatMap(client.get(`${gateway}/v1/projects`), Pilot.result)
      say(`Projects: ${JSON.stringify(projects)}`)
      const forbidden = yield* Effect.flip(Effect.flatMap(client.get(`${gateway}/v1/answers/403`), Pilot.result))
      say(`What is not allowed: ${forbidden.message}`)
    }),
    PilotLive
  )
})

const embedded = Effect.gen(function* () {
  const url = yield* standIn(pilot())
  const environment = { API_GATEWAY: url, PILOT_USERNAME: "ada", PILOT_PASSWORD: "s3cret" }
  yield* Effect.withConfigProvider(program, ConfigProvider.fromMap(new Map(Object.entries(environment))))
})

const configured = Config.option(Config.string("API_GATEWAY"))
await Effect.runPromise(
  Effect.scoped(Effect.flatMap(configured, (gateway) => (gateway._tag === "Some" ? program : embedded)))
)
