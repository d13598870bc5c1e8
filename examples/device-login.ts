/**
 * Logs in with a second device and calls an API: `npx tsx examples/device-login.ts`.
 *
 * On its own it starts a real authorization server and an API on this machine. Open the address and log in with any name, or wait: after some
 * seconds the program does it itself. With ISSUER, CLIENT_ID, SCOPE and API_URL set it uses those instead. No token is ever printed.
 */
import { FetchHttpClient, HttpClient } from "@effect/platform"
import { Config, ConfigProvider, Duration, Effect, Layer, Option } from "effect"
import { AuthenticatedHttpClient, Credentials } from "effect-credentials"
import * as DeviceAuthorization from "effect-credentials/DeviceAuthorization"
import { renderUnicodeCompact } from "uqr"
import { decide, deviceServer } from "./support/deviceServer.ts"
import { protectedApi } from "./support/protectedApi.ts"
import { say } from "./support/terminal.ts"

const prompt = DeviceAuthorization.terminalPrompt({ qrCode: (url) => renderUnicodeCompact(url, { border: 2 }) })

/** The API's client. The person is asked when the first request needs a token, and not again while the refresh token lives. */
const apiClient = (origin: string, options: DeviceAuthorization.ConfigRest) =>
  AuthenticatedHttpClient.layer({ origins: [origin] }).pipe(
    Layer.provideMerge(DeviceAuthorization.layerConfig({}, options)),
    Layer.provide(FetchHttpClient.layer)
  )

const program = (options: DeviceAuthorization.ConfigRest) =>
  Effect.gen(function* () {
    const api = yield* Config.url("API_URL")
    const calls = Effect.gen(function* () {
      const client = HttpClient.filterStatusOk(yield* AuthenticatedHttpClient.AuthenticatedHttpClient)
      const credentials = yield* Credentials.Credentials
      const call = Effect.flatMap(client.get(api), (response) => response.text)
      say(`The API answers: ${yield* call}`)
      yield* credentials.renew(yield* credentials.token)
      say(`With a renewed token, and without asking you again: ${yield* call}`)
    })
    yield* Effect.provide(calls, apiClient(api.origin, options))
  })

/** A server and an API of our own, and somebody who logs in if nobody else does. */
const embedded = Effect.gen(function* () {
  const server = yield* deviceServer
  const api = yield* protectedApi(server.accepts)
  const patience = Duration.seconds(8)
  say(`Nothing is configured, so an authorization server (oidc-provider) and an API were started on this machine.`)
  say(`Log in with any name; in ${Duration.format(patience)} the program does it for you.`)
  const environment = ConfigProvider.fromMap(
    new Map([
      ["ISSUER", server.issuer],
      ["CLIENT_ID", server.clientId],
      ["SCOPE", "openid offline_access"],
      ["API_URL", api.url]
    ])
  )
  yield* program({
    prompt,
    parameters: { prompt: "consent" },
    open: (url) =>
      Effect.delay(
        Effect.promise(() => decide(url, "approve")),
        patience
      )
  }).pipe(Effect.withConfigProvider(environment))
})

const isConfigured = Effect.map(Config.option(Config.string("CLIENT_ID")), Option.isSome)

await Effect.if(isConfigured, { onTrue: () => program({ prompt }), onFalse: () => embedded }).pipe(
  Effect.scoped,
  Effect.as(0),
  Effect.catchAll((error) => Effect.sync(() => say(`${error._tag}: ${error.message}`)).pipe(Effect.as(1))),
  Effect.map((code) => (process.exitCode = code)),
  Effect.runPromise
)
