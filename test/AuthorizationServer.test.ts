import * as HttpClient from "@effect/platform/HttpClient"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"
import { inspect } from "node:util"
import * as AuthorizationServer from "../src/AuthorizationServer.ts"
import * as FakeServer from "./support/FakeServer.ts"
import * as HybridClock from "./support/HybridClock.ts"

const issuer = "https://id.example.com/tenant"
const openid = `${issuer}/.well-known/openid-configuration`
const oauth = "https://id.example.com/.well-known/oauth-authorization-server/tenant"
const metadata = { issuer, token_endpoint: "https://id.example.com/token" }

describe("known endpoints", () => {
  it.effect("are used as they are, without asking anybody", () =>
    Effect.gen(function* () {
      const server = FakeServer.make(() => undefined)
      const known = AuthorizationServer.make({ ...metadata, jwks_uri: "https://id.example.com/keys" })
      yield* known.check("Test")
      expect(yield* Effect.provide(known.metadata, server.layer)).toEqual({
        ...metadata,
        jwks_uri: "https://id.example.com/keys"
      })
      expect(known.issuer).toEqual(Option.some(issuer))
      expect(Option.isNone(AuthorizationServer.make({ token_endpoint: metadata.token_endpoint }).issuer)).toBe(true)
    })
  )

  it.effect("must be safe, each of them, before anything is sent (S259, S267)", () =>
    Effect.gen(function* () {
      const server = FakeServer.make(() => undefined)
      const bad = AuthorizationServer.make({ ...metadata, revocation_endpoint: "https://u:s3cret@id.example.com" })
      const error = yield* Effect.flip(bad.check("Test"))
      expect(error).toMatchObject({ _tag: "InvalidOption", provider: "Test", option: "revocation_endpoint" })
      const late = yield* Effect.flip(Effect.provide(bad.metadata, server.layer))
      expect(late.reason._tag).toBe("InvalidResponse")
      expect(inspect([error, late], { depth: 9 })).not.toContain("s3cret")
    })
  )

  it.effect("may be plain http only where somebody said so", () =>
    Effect.gen(function* () {
      const token_endpoint = "http://id.example.com/token"
      expect((yield* Effect.flip(AuthorizationServer.make({ token_endpoint }).check("Test"))).option).toBe(
        "token_endpoint"
      )
      yield* AuthorizationServer.make({ token_endpoint, dangerouslyAllowHttp: true }).check("Test")
    })
  )
})

describe("discovery", () => {
  it.effect("asks OpenID Connect's location, once, when it is needed", () =>
    Effect.gen(function* () {
      const server = FakeServer.make((seen) => (seen.url === openid ? { json: metadata } : undefined))
      const discovered = AuthorizationServer.discover(issuer)
      yield* discovered.check("Test")
      expect(server.seen).toHaveLength(0)
      const both = Effect.all([discovered.metadata, discovered.metadata], { concurrency: 2 })
      expect(yield* Effect.provide(both, server.layer)).toEqual([metadata, metadata])
      expect(server.seen).toHaveLength(1)
      expect(server.seen[0]).toMatchObject({ method: "GET", headers: { accept: "application/json" } })
    })
  )

  it.effect("asks RFC 8414's location if that is not found", () =>
    Effect.gen(function* () {
      const server = FakeServer.make((seen) => (seen.url === oauth ? { json: metadata } : { status: 404 }))
      expect(yield* Effect.provide(AuthorizationServer.discover(issuer).metadata, server.layer)).toEqual(metadata)
      expect(server.seen.map(({ url }) => url)).toEqual([openid, oauth])
    })
  )

  it.effect("asks there, too, with a client that takes statuses for errors", () =>
    Effect.gen(function* () {
      const server = FakeServer.make((seen) => (seen.url === oauth ? { json: metadata } : { status: 404 }))
      const strict = Effect.provideService(HttpClient.HttpClient, HttpClient.filterStatusOk(server.client))
      expect(yield* strict(AuthorizationServer.discover(issuer).metadata)).toEqual(metadata)
    })
  )

  it.effect("keeps a success for a day, and no failure at all (S264)", () =>
    Effect.gen(function* () {
      const server = FakeServer.make((_, nth) =>
        nth === 1 ? { status: 503, headers: { "retry-after": "7" } } : { json: metadata }
      )
      const { metadata: look } = AuthorizationServer.discover(issuer)
      const failure = yield* Effect.flip(Effect.provide(look, server.layer))
      expect(failure.reason).toMatchObject({ _tag: "Unavailable", status: 503 })
      yield* Effect.provide(look, server.layer)
      yield* TestClock.adjust("23 hours")
      yield* Effect.provide(look, server.layer)
      expect(server.seen).toHaveLength(2)
      yield* TestClock.adjust("1 hour")
      yield* Effect.provide(look, server.layer)
      expect(server.seen).toHaveLength(3)
    })
  )

  it.effect.each<readonly [string, FakeServer.Answer]>([
    ["nobody answers", { lost: new Error("down") }],
    ["it is down", { status: 503 }],
    ["it is gone", { status: 404 }],
    ["a page of somebody else's comes", { body: "<html>", headers: { "content-type": "text/html" } }]
  ])("that has become old serves for another day while %s, and is asked for every 30 seconds (S264)", ([, answer]) =>
    Effect.gen(function* () {
      let isDown = false
      const seconds: Array<number> = []
      const server = FakeServer.make(({ at, url }) => {
        if (url === openid) seconds.push(at / 1000)
        return isDown ? answer : { json: metadata }
      })
      const look = Effect.provide(AuthorizationServer.discover(issuer).metadata, server.layer)
      yield* look
      isDown = true
      yield* TestClock.adjust("1 day")
      for (let second = 0; second < 60; second += 6) {
        expect(yield* Effect.all(Array.from({ length: 20 }, () => look))).toContainEqual(metadata)
        yield* TestClock.adjust("6 seconds")
      }
      expect(seconds).toEqual([0, 86_400, 86_430])
      yield* TestClock.adjust("86339 seconds")
      expect(yield* look).toEqual(metadata)
      yield* TestClock.adjust("1 second")
      expect((yield* Effect.flip(look))._tag).toBe("RefreshError")
      expect((yield* Effect.flip(look))._tag).toBe("RefreshError")
      isDown = false
      expect(yield* look).toEqual(metadata)
    })
  )

  it.effect(
    "looks at both clocks: it is old after a suspend, and not forgotten when the clock is set back (S264)",
    () =>
      Effect.gen(function* () {
        const clock = HybridClock.make()
        const server = FakeServer.make(() => ({ json: metadata }))
        const look = Effect.provide(AuthorizationServer.discover(issuer).metadata, server.layer)
        yield* Effect.gen(function* () {
          yield* look
          yield* clock.jump(-3_600_000)
          yield* look
          expect(server.seen).toHaveLength(1)
          yield* clock.advance("1 day")
          yield* look
          expect(server.seen).toHaveLength(2)
          yield* clock.suspend("1 day")
          yield* look
          expect(server.seen).toHaveLength(3)
        }).pipe(Effect.withClock(clock))
      })
  )

  it.effect("gives up after ten seconds", () =>
    Effect.gen(function* () {
      const fiber = yield* Effect.fork(
        Effect.flip(Effect.provide(AuthorizationServer.discover(issuer).metadata, FakeServer.make(() => "never").layer))
      )
      yield* TestClock.adjust("10 seconds")
      expect((yield* Fiber.join(fiber)).reason._tag).toBe("Timeout")
    })
  )

  it.effect("that one caller gave up leaves the next one free", () =>
    Effect.gen(function* () {
      const server = FakeServer.make((_, nth) => (nth === 1 ? "never" : { json: metadata }))
      const discovered = AuthorizationServer.discover(issuer)
      const first = yield* Effect.fork(Effect.provide(discovered.metadata, server.layer))
      yield* Effect.yieldNow()
      const second = yield* Effect.fork(Effect.provide(discovered.metadata, server.layer))
      yield* Effect.yieldNow()
      yield* Fiber.interrupt(first)
      expect(yield* Fiber.join(second)).toEqual(metadata)
    })
  )

  it.effect.each<readonly [string, FakeServer.Answer, string]>([
    ["another issuer's (S260)", { json: { ...metadata, issuer: `${issuer}/` } }, "InvalidResponse"],
    ["without token endpoint", { json: { issuer } }, "InvalidResponse"],
    ["pointing to plain http (S259)", { json: { ...metadata, jwks_uri: "http://id.example.com" } }, "InvalidResponse"],
    ["HTML", { body: "<html>s3cret", headers: { "content-type": "text/html" } }, "InvalidResponse"],
    ["empty", { body: "" }, "InvalidResponse"],
    ["a redirect (S262)", { status: 302, headers: { location: "https://evil.example" } }, "InvalidResponse"],
    ["over 1 MiB (S264)", { body: `{"issuer":"${"x".repeat(1_100_000)}"}` }, "InvalidResponse"],
    ["not found anywhere", { status: 404 }, "InvalidResponse"],
    ["forbidden", { status: 403 }, "Unavailable"],
    ["a server error", { status: 500 }, "Unavailable"],
    ["lost", { lost: new Error("s3cret") }, "Transport"]
  ])("that is %s fails and is not quoted", ([, answer, tag]) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        Effect.provide(AuthorizationServer.discover(issuer).metadata, FakeServer.make(() => answer).layer)
      )
      expect(error.reason._tag).toBe(tag)
      expect(inspect(error, { depth: 20, showHidden: true })).not.toContain("s3cret")
    })
  )

  it.effect.each([
    "http://id.example.com",
    "id.example.com",
    "https://id.example.com?x",
    "https://id.example.com#x",
    "",
    "https://u@id.example.com"
  ])("of issuer %j is refused before anything is sent", (issuer) =>
    Effect.gen(function* () {
      const discovered = AuthorizationServer.discover(issuer)
      expect((yield* Effect.flip(discovered.check("Test"))).option).toBe("issuer")
      const server = FakeServer.make(() => undefined)
      expect((yield* Effect.flip(Effect.provide(discovered.metadata, server.layer))).reason._tag).toBe(
        "InvalidResponse"
      )
    })
  )
})
