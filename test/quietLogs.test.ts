/** A program in which all goes well hears nothing of its credentials. */
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Layer, Logger, LogLevel, Stream, TestClock } from "effect"
import * as AuthenticatedHttpClient from "../src/AuthenticatedHttpClient.ts"
import * as Credentials from "../src/Credentials.ts"
import * as ClientCredentials from "../src/providers/ClientCredentials.ts"
import * as DeviceAuthorization from "../src/providers/DeviceAuthorization.ts"
import * as Provider from "../src/Provider.ts"
import * as Testing from "../src/Testing.ts"
import * as TokenStore from "../src/TokenStore.ts"

/** Everything that is logged at whatever level, as `LEVEL text`. */
const listened = <A, E, R>(self: (lines: ReadonlyArray<string>) => Effect.Effect<A, E, R>) => {
  const lines: Array<string> = []
  const logger = Logger.make(
    ({ logLevel, message }) => void lines.push(`${logLevel.label} ${[message].flat().join(" ")}`)
  )
  return self(lines).pipe(
    Effect.provide(Logger.replace(Logger.defaultLogger, logger)),
    Logger.withMinimumLogLevel(LogLevel.All)
  )
}

const loud = (lines: ReadonlyArray<string>) => lines.filter((line) => !/^(DEBUG|TRACE) /.test(line))

/** A day of calls, a 401, and the logout. */
const day = (server: Testing.TestServer) =>
  Effect.gen(function* () {
    const client = yield* AuthenticatedHttpClient.AuthenticatedHttpClient
    const credentials = yield* Credentials.Credentials
    yield* Effect.forkScoped(Stream.runDrain(Credentials.refreshes(credentials)))
    for (let hour = 0; hour < 6; hour++) {
      assert.strictEqual((yield* client.get(server.api.url)).status, 200)
      yield* TestClock.adjust(Duration.hours(1))
    }
    server.revokeAccessTokens()
    assert.strictEqual((yield* client.get(server.api.url)).status, 200)
    yield* credentials.revoke
  })

const over = <R>(server: Testing.TestServer, provider: Provider.Provider<R>) =>
  Layer.provideMerge(
    AuthenticatedHttpClient.layer({ origins: [server.api.url] }),
    Credentials.layer(Provider.persisted(provider))
  ).pipe(Layer.provideMerge(server.layer), Layer.provide(TokenStore.layerMemory()))

describe("nothing at Info or above is logged where all goes well,", () => {
  it.scoped("not for a client with a store, through renewals on schedule, a 401 and a logout", () =>
    listened((lines) =>
      Effect.gen(function* () {
        const server = Testing.authorizationServer()
        const provider = ClientCredentials.make({ issuer: server.issuer, clientId: "me", clientSecret: "s3cret" })
        yield* Effect.provide(day(server), over(server, provider))
        assert.deepStrictEqual(loud(lines), [])
        assert.include(lines, "DEBUG token obtained")
        assert.isAtLeast(server.issued.length, 7)
      })
    )
  )

  it.scoped("not for a person with a refresh token that is used once", () =>
    listened((lines) =>
      Effect.gen(function* () {
        const server = Testing.authorizationServer()
        const provider = DeviceAuthorization.make({
          issuer: server.issuer,
          clientId: "tool",
          prompt: ({ userCode }) => server.approve(userCode)
        })
        const program = Effect.gen(function* () {
          const login = yield* Effect.fork(Effect.flatMap(Credentials.Credentials, ({ token }) => token))
          yield* TestClock.adjust("5 seconds")
          yield* login.await
          yield* day(server)
        })
        yield* Effect.provide(program, over(server, provider))
        assert.deepStrictEqual(loud(lines), [])
      })
    )
  )

  it.scoped("and a renewal that fails is one warning", () =>
    listened((lines) =>
      Effect.gen(function* () {
        const test = Testing.credentials()
        const program = Effect.gen(function* () {
          const { token } = yield* Credentials.Credentials
          yield* token
          yield* TestClock.adjust("59 minutes")
          test.failNext({ _tag: "Unavailable", status: 503 })
          yield* token
          yield* TestClock.adjust("1 second")
        })
        yield* Effect.provide(program, test.layer)
        assert.lengthOf(loud(lines), 1)
        assert.match(loud(lines)[0]!, /^WARN Testing: .*status 503/)
      })
    )
  )
})
