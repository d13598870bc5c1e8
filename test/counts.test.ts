/** What the benchmarks of `test/bench` take for granted: how many token requests, refusals and waits there are, exactly. */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { describe, expect, it } from "vitest"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as AuthenticatedHttpClient from "../src/AuthenticatedHttpClient.ts"
import * as Credentials from "../src/Credentials.ts"
import * as Provider from "../src/Provider.ts"
import * as Token from "../src/Token.ts"
import { countsOf, listen, sentAt } from "./bench/loopback.ts"
import { authenticated } from "./bench/ours.ts"
import { paced } from "./bench/paced.ts"
import * as SeededScheduler from "./support/SeededScheduler.ts"

const origin = "https://api.example.com"

/** A token endpoint that takes its time, and an API that refuses a token that has expired. */
const world = (lifetime: Duration.DurationInput, takes: Duration.DurationInput) => {
  const seen = { tokens: 0, refused: 0, answered: 0 }
  const expiries = new Map<string, number>()
  const provider = Provider.make({
    name: "Rotating",
    acquire: () =>
      Effect.sleep(takes).pipe(
        Effect.zipRight(DateTime.now),
        Effect.map((issuedAt) => {
          const expiresAt = DateTime.addDuration(issuedAt, lifetime)
          const accessToken = `t${++seen.tokens}`
          expiries.set(`Bearer ${accessToken}`, DateTime.toEpochMillis(expiresAt))
          return Token.make({ accessToken: Redacted.make(accessToken), issuedAt, expiresAt: Option.some(expiresAt) })
        })
      )
  })
  const api = HttpClient.make((request) =>
    Effect.map(Clock.currentTimeMillis, (now) => {
      const isValid = now < (expiries.get(request.headers["authorization"] ?? "") ?? 0)
      seen[isValid ? "answered" : "refused"]++
      return HttpClientResponse.fromWeb(request, new Response(null, { status: isValid ? 204 : 401 }))
    })
  )
  return { api, provider, seen }
}

/** Time passes as far as it must. */
const run = <A, E>(program: Effect.Effect<A, E, Scope.Scope>): A =>
  SeededScheduler.make(1, { yields: 0 }).run(Effect.scoped(program))

const many = <A, E>(count: number, each: (n: number) => Effect.Effect<A, E>) =>
  Effect.forEach(
    Array.from({ length: count }, (_, n) => n),
    each,
    { concurrency: "unbounded", discard: true }
  )

describe("counts", () => {
  for (const scheduled of [false, true]) {
    it(`rotation under load, ${scheduled ? "on schedule" : "on demand"}: no refusal, nobody waits, and at most 14 token requests in 20 seconds`, () => {
      const { api, provider, seen } = world("2 seconds", "150 millis")
      let waited = 0
      run(
        Effect.gen(function* () {
          const credentials = yield* Credentials.make(provider)
          const client = yield* AuthenticatedHttpClient.make(api, credentials, { origins: [origin] })
          yield* credentials.token
          if (scheduled) yield* Effect.forkScoped(Stream.runDrain(Credentials.refreshes(credentials)))
          const call = Effect.gen(function* () {
            const begin = yield* Clock.currentTimeMillis
            yield* client.execute(HttpClientRequest.get(`${origin}/items`))
            if ((yield* Clock.currentTimeMillis) > begin) waited++
          })
          // 50 workers, each twice a second for 20 seconds.
          yield* many(50, (n) =>
            Effect.delay(Effect.repeatN(Effect.zipRight(call, Effect.sleep("500 millis")), 39), 10 * n)
          )
        })
      )
      expect({ ...seen, waited }).toEqual({
        answered: 2_000,
        refused: 0,
        waited: 0,
        tokens: expect.toBeOneOf([11, 12, 13, 14])
      })
    })
  }

  for (const scheduled of [false, true]) {
    it(`the same over loopback, for 4 seconds, ${scheduled ? "on schedule" : "on demand"}: no request leaves with a token that has expired, and none fails`, async () => {
      // Whatever this machine does meanwhile: a token is judged by the moment when its request left.
      const Stamped = Layer.effect(
        HttpClient.HttpClient,
        Effect.map(
          HttpClient.HttpClient,
          HttpClient.mapRequest((request) => HttpClientRequest.setHeader(request, sentAt, String(Date.now())))
        )
      ).pipe(Layer.provide(FetchHttpClient.layer))
      const server = await listen({ lives: 2, takes: 150 })
      const { call, close } = authenticated(server.origin, scheduled, Stamped)
      const begin = performance.now()
      const { failed, took } = await paced(call, { workers: 20, rate: 100, seconds: 4 })
      const seen = await countsOf(server.origin)
      // A token is renewed when a fifth of its life is left.
      const most = 1 + Math.floor((performance.now() - begin) / 1_600)
      await close()
      server.close()
      expect({ ...seen, failed, calls: took.length }).toEqual({
        answered: 400,
        refused: 0,
        tokens: expect.toBeOneOf(Array.from({ length: most - 1 }, (_, n) => n + 2)),
        failed: 0,
        calls: 400
      })
    }, 30_000)
  }

  it("ten thousand callers and nothing cached: one token request", () => {
    const { provider, seen } = world("1 hour", "50 millis")
    run(Effect.flatMap(Credentials.make(provider), ({ token }) => many(10_000, () => token)))
    expect(seen.tokens).toBe(1)
  })
})
