/**
 * How your own code is tested: a day passes in 50 ms. `npx tsx examples/testing.ts`
 *
 *     a day: 30 of 30 readings taken, 3 tokens obtained
 *     an identity provider that is down: Testing: the authorization server cannot answer now (status 503); try again later
 *     a token withdrawn: 200 after 2 requests
 *     a login with a second device: ada may read
 */
import { HttpClient } from "@effect/platform"
import { Effect, Fiber, Layer, Logger, LogLevel, TestClock, TestContext } from "effect"
import { AuthenticatedHttpClient, ClientCredentials, Credentials, DeviceAuthorization } from "effect-credentials"
import * as Testing from "effect-credentials/Testing"
import { say } from "./support/terminal.ts"

// What is tested: it asks an API, and does not know where its tokens come from.
const reading = Effect.flatMap(AuthenticatedHttpClient.AuthenticatedHttpClient, (client) =>
  HttpClient.filterStatusOk(client).get("https://api.test/sensor")
)
const Api = AuthenticatedHttpClient.layer({ origins: ["https://api.test"] })

// Credentials that ask nobody, and an API that likes everybody. Time passes because the test says so.
const credentials = Testing.credentials({ lifetime: "1 hour" })
const open = Testing.authorizationServer({ routes: () => Effect.succeed({ status: 200 }) })
const day = Effect.gen(function* () {
  let taken = 0
  // Each step of this clock takes 5 ms, however long it is: Effect looks whether anybody is still at work.
  for (let step = 0; step < 3; step++) {
    for (let call = 0; call < 10; call++) yield* Effect.andThen(reading, () => taken++)
    yield* TestClock.adjust("8 hours")
  }
  say(`a day: ${taken} of 30 readings taken, ${credentials.issued.length} tokens obtained`)

  credentials.failNext({ _tag: "Unavailable", status: 503 })
  const error = yield* Effect.flip(reading)
  say(`an identity provider that is down: ${error.message}`)
}).pipe(Effect.provide(Api), Effect.provide(Layer.merge(credentials.layer, open.layer)))

// A server in memory, where the requests themselves matter.
const client = { clientId: "weather", clientSecret: "s3cret" }
const server = Testing.authorizationServer({ clients: [client, { clientId: "tool" }] })
const withdrawn = Effect.gen(function* () {
  yield* reading
  server.revokeAccessTokens()
  const { status } = yield* reading
  say(`a token withdrawn: ${status} after ${server.api.requests.length - 1} requests`)
}).pipe(Effect.provide(Api), Effect.provide(ClientCredentials.layer({ issuer: server.issuer, ...client })))

// Somebody who logs in, without a browser and without waiting.
const login = Effect.gen(function* () {
  const { token } = yield* Credentials.Credentials
  const fiber = yield* Effect.fork(token)
  yield* TestClock.adjust("5 seconds")
  say(`a login with a second device: ada may ${(yield* Fiber.join(fiber)).scope}`)
}).pipe(
  Effect.provide(
    DeviceAuthorization.layer({
      issuer: server.issuer,
      clientId: "tool",
      scope: ["read"],
      prompt: ({ userCode }) => server.approve(userCode, { subject: "ada" })
    })
  )
)

await Effect.runPromise(
  Effect.all([day, withdrawn, login]).pipe(
    Effect.provide(server.layer),
    Effect.provide(TestContext.TestContext),
    Logger.withMinimumLogLevel(LogLevel.None)
  )
)
