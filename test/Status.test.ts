import { assert, describe, it } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/TestClock"
import { inspect } from "node:util"
import * as Credentials from "../src/Credentials.ts"
import * as Provider from "../src/Provider.ts"
import * as Status from "../src/Status.ts"
import * as Token from "../src/Token.ts"
import { counting, withoutJitter } from "./support/engine.ts"

const line = (credentials: Credentials.Credentials) => Effect.map(credentials.status, Status.format)
const jwt = (claims: object) =>
  Redacted.make(`${btoa("{}")}.${btoa(JSON.stringify(claims))}.${btoa("signature")}`.replaceAll("=", ""))

describe("Credentials.status", () => {
  it.scoped("tells a token's life from the beginning to the end, and asks nobody", () =>
    Effect.gen(function* () {
      const counted = counting({ lifetime: 600, takes: "2 seconds" })
      const credentials = yield* Credentials.make(counted.provider)
      assert.strictEqual(yield* line(credentials), "Counting: no token, next try when next asked for")
      const first = yield* Effect.fork(credentials.token)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* line(credentials), "Counting: no token, being obtained now")
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(first)
      assert.strictEqual(yield* line(credentials), "Counting: fresh, expires in 9m 58s, next renewal in 8m 58s")
      yield* TestClock.adjust("9 minutes")
      assert.strictEqual(yield* line(credentials), "Counting: stale, expires in 58s, next renewal when next asked for")
      yield* TestClock.adjust("2 minutes")
      assert.strictEqual(
        yield* line(credentials),
        "Counting: expired, expired 1m 2s ago, next renewal when next asked for"
      )
      assert.strictEqual(counted.needs.length, 1)
      yield* credentials.forget
      assert.strictEqual((yield* credentials.status).freshness, "None")
    }).pipe(withoutJitter)
  )

  it.scoped("tells of a failed renewal until one succeeds", () =>
    Effect.gen(function* () {
      const counted = counting({ lifetime: 600 })
      const credentials = yield* Credentials.make(counted.provider)
      yield* credentials.token
      counted.script.push({ _tag: "Unavailable", status: 503 })
      yield* TestClock.adjust("545 seconds")
      yield* credentials.maintain
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(
        yield* line(credentials),
        "Counting: stale, expires in 50s, last error 5s ago (Counting: the authorization server cannot answer now (status 503); try again later), next renewal in 25s"
      )
      const { lastError } = yield* credentials.status
      assert.strictEqual(Option.getOrThrow(lastError).error.reason._tag, "Unavailable")
      yield* TestClock.adjust("25 seconds")
      yield* credentials.maintain
      assert.isTrue(Option.isNone((yield* credentials.status).lastError))
    }).pipe(withoutJitter)
  )

  it.scoped("tells of a login that nobody has done yet", () =>
    Effect.gen(function* () {
      const counted = counting()
      counted.always = { _tag: "Rejected", code: "invalid_client", status: 401 }
      const credentials = yield* Credentials.make(counted.provider)
      yield* Effect.flip(credentials.token)
      assert.match(
        yield* line(credentials),
        /^Counting: no token, last error just now \(.*invalid_client.*\), next try in 30s$/
      )
    }).pipe(withoutJitter)
  )

  it.scoped("a closed layer has nothing to come", () =>
    Effect.gen(function* () {
      const credentials = yield* Effect.scoped(
        Effect.tap(Credentials.make(counting({ lifetime: 60 }).provider), ({ token }) => token)
      )
      assert.strictEqual(yield* line(credentials), "Counting: fresh, expires in 1m")
    })
  )

  it.scoped("holds no secret, whoever prints it", () =>
    Effect.gen(function* () {
      const provider = Provider.make({
        name: "Test",
        acquire: () =>
          Effect.map(DateTime.now, (issuedAt) =>
            Token.make({
              accessToken: Redacted.make("canary-s3cret"),
              refreshToken: Option.some(Redacted.make("canary-s3cret")),
              idToken: Option.some(jwt({ email: "ada@example.com", nonce: "canary-s3cret" })),
              extra: Redacted.make({ secret: "canary-s3cret" }),
              scope: ["read"],
              issuedAt
            })
          )
      })
      const credentials = yield* Credentials.make(provider)
      yield* credentials.token
      const status = yield* credentials.status
      assert.deepStrictEqual([status.who, status.scope], [Option.some("ada@example.com"), ["read"]])
      assert.notInclude(inspect(status, { depth: 9 }) + JSON.stringify(status) + Status.format(status), "canary")
    })
  )
})

describe("Status.who", () => {
  const token = (accessToken: Redacted.Redacted, idToken?: Redacted.Redacted) =>
    Token.make({ accessToken, idToken: Option.fromNullable(idToken), issuedAt: DateTime.unsafeMake(0) })

  it.each([
    [token(jwt({ sub: "a", client_id: "b" }), jwt({ email: "c", sub: "d" })), "c"],
    [token(jwt({ sub: "a" }), jwt({})), "a"],
    [token(jwt({ sub: 5, client_id: "b" })), "b"],
    [token(jwt({ email: "a\u001b[31m\nb" })), "a[31m b"],
    [token(jwt({ email: " ", sub: "a" })), "a"]
  ])("the first claim that says it: %#", (token, expected) => {
    assert.deepStrictEqual(Status.who(token), Option.some(expected))
  })

  it("nobody, where nothing says it", () => {
    assert.deepStrictEqual(Status.who(token(Redacted.make("opaque"))), Option.none())
  })
})
