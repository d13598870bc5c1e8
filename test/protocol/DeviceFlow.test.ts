import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as fc from "fast-check"
import { inspect } from "node:util"
import { describe, expect, it } from "vitest"
import type { RefreshErrorReason } from "../../src/CredentialsError.ts"
import * as DeviceFlow from "../../src/protocol/DeviceFlow.ts"
import type * as TokenResponse from "../../src/protocol/TokenResponse.ts"

const answer = (members: unknown, status = 200): TokenResponse.Answer => ({
  status,
  headers: { "content-type": "application/json" },
  body: JSON.stringify(members)
})

const good = { device_code: "c0de-s3cret", user_code: "WDJB-MJHT", verification_uri: "https://id.test/device" }
const decoded = (members: object) => DeviceFlow.decode(answer({ ...good, ...members }))
const right = (members: object) => Either.getOrThrow(decoded(members))
const seconds = Duration.toSeconds

describe("the first answer", () => {
  it("is read with all its members", () => {
    const codes = right({ verification_uri_complete: "https://id.test/device?c=1", expires_in: 600, interval: 7 })
    expect(Redacted.value(codes.deviceCode)).toBe("c0de-s3cret")
    expect(codes.userCode).toBe("WDJB-MJHT")
    expect(codes.verificationUri).toBe("https://id.test/device")
    expect(codes.verificationUriComplete).toEqual(Option.some("https://id.test/device?c=1"))
    expect([seconds(codes.expiresIn), seconds(codes.interval)]).toEqual([600, 7])
  })

  it("shows no device code (S240)", () => {
    const shown = right({})
    expect([inspect(shown, { showHidden: true, depth: 9 }), JSON.stringify(shown)].join()).not.toContain("s3cret")
  })

  it.each([
    [undefined, 5],
    [null, 5],
    ["", 5],
    ["soon", 5],
    [true, 5],
    [[7], 5],
    [0, 1],
    [-10, 1],
    [0.2, 1],
    [1, 1],
    [5, 5],
    ["10", 10],
    [" 10 ", 10],
    [60, 60],
    [3_600, 60],
    ["9999999999999999999999", 60]
  ])("an interval of %j is %i s (S230)", (interval, expected) => {
    expect(seconds(right({ interval }).interval)).toBe(expected)
  })

  it.each([
    [undefined, 900],
    [null, 900],
    ["", 900],
    ["NaN", 900],
    [{}, 900],
    [0, 900],
    [-1, 900],
    [1, 1],
    [600, 600],
    ["600", 600],
    [1e300, 86_400]
  ])("a code that expires in %j lives %i s (S231)", (expires_in, expected) => {
    expect(seconds(right({ expires_in }).expiresIn)).toBe(expected)
  })

  it.each([
    "javascript:alert(1)",
    "JavaScript:alert(1)",
    "data:text/html,hello",
    "file:///etc/passwd",
    "ftp://id.test/device",
    "id.test/device",
    "//id.test/device",
    "-e",
    "--help https://id.test",
    "https://",
    "https:///device",
    "https://id.test@evil.test/device",
    "https://id.test:pass@evil.test/device",
    "https://id.test\\@evil.test",
    "https://id.test/\u001b[2Jdevice",
    "https://id.test/de\nvice",
    "java\tscript:alert(1)",
    "https://id.test/\u202edevice",
    " https://id.test/device",
    `https://id.test/${"a".repeat(2_048)}`,
    "",
    42,
    null
  ])("a person is never sent to %j (S238)", (address) => {
    const none = decoded({ verification_uri: address })
    expect(Either.isLeft(none) && none.left).toMatchObject({ _tag: "InvalidResponse" })
    expect(right({ verification_uri_complete: address }).verificationUriComplete).toEqual(Option.none())
  })

  it.each([
    ["https://github.com/login/device", "https://github.com/login/device"],
    ["https://sso.test/start/#/device?user_code=A-B", "https://sso.test/start/#/device?user_code=A-B"],
    ["http://10.0.0.1:8080/device", "http://10.0.0.1:8080/device"],
    ["HTTPS://ID.TEST/device", "https://id.test/device"],
    ["https://bücher.test/gerät", "https://xn--bcher-kva.test/ger%C3%A4t"],
    ["https://id.test/$(id)&calc", "https://id.test/$(id)&calc"]
  ])("%j is shown as %s (S238)", (address, shown) => {
    expect(right({ verification_uri: address }).verificationUri).toBe(shown)
  })

  it("the older name of the address will do", () => {
    const codes = Either.getOrThrow(
      DeviceFlow.decode(
        answer({ ...good, verification_uri: undefined, verification_url: "https://google.test/device" })
      )
    )
    expect(codes.verificationUri).toBe("https://google.test/device")
  })

  it.each([
    ["WDJB-MJHT", "WDJB-MJHT"],
    ["\u001b[31mRED\u001b[0m", "[31mRED[0m"],
    ["AB\r\nCD", "AB CD"],
    ["AB\u202eCD\u200b", "ABCD"],
    ["A".repeat(100), "A".repeat(64)]
  ])("the user code %j is shown as %j (S238)", (user_code, shown) => {
    expect(right({ user_code }).userCode).toBe(shown)
  })

  it.each([
    ["device_code", undefined],
    ["device_code", ""],
    ["device_code", 5],
    ["device_code", "a\nb"],
    ["user_code", undefined],
    ["user_code", " "],
    ["user_code", "\u001b"],
    ["user_code", 5]
  ])("without a usable %s (%j) it is no answer", (name, value) => {
    const none = decoded({ [name]: value })
    expect(Either.isLeft(none) && none.left._tag === "InvalidResponse" && none.left.description).toContain(name)
  })

  it.each([
    ["https://\u0430pple.com/device", "https://xn--pple-43d.com/device"],
    ["https://\uff27\uff4f\uff4f\uff47le.com/device", "https://google.com/device"],
    ["https://m\u00fcnchen.example/device", "https://xn--mnchen-3ya.example/device"],
    ["https://g\u043e\u043egle.com/device", "https://xn--ggle-55da.com/device"]
  ])("the address %s is shown as what it is: %s (S269)", (given, shown) => {
    const codes = right({ verification_uri: given, verification_uri_complete: `${given}?code=1` })
    expect(codes.verificationUri).toBe(shown)
    expect(codes.verificationUriComplete).toEqual(Option.some(`${shown}?code=1`))
  })

  it("an error says why there are no codes", () => {
    const none = DeviceFlow.decode(answer({ error: "unauthorized_client" }, 400))
    expect(Either.isLeft(none) && none.left).toMatchObject({ _tag: "Rejected", code: "unauthorized_client" })
  })

  it("whatever comes, nothing is thrown and nothing unsafe is shown", () => {
    const anything = fc.record(
      {
        device_code: fc.anything(),
        user_code: fc.oneof(fc.string({ unit: "binary" }), fc.anything()),
        verification_uri: fc.oneof(fc.webUrl({ withFragments: true }), fc.string({ unit: "binary" }), fc.anything()),
        verification_uri_complete: fc.oneof(fc.webUrl(), fc.string(), fc.anything()),
        expires_in: fc.anything(),
        interval: fc.anything()
      },
      { requiredKeys: [] }
    )
    fc.assert(
      fc.property(anything, (members) => {
        let body: string
        try {
          body = JSON.stringify({ device_code: "c", user_code: "u", ...members }) ?? ""
        } catch {
          return
        }
        const codes = DeviceFlow.decode({ status: 200, headers: {}, body })
        if (Either.isLeft(codes)) return
        const { expiresIn, interval, userCode, verificationUri, verificationUriComplete } = codes.right
        for (const uri of [verificationUri, ...Option.toArray(verificationUriComplete)]) {
          expect(uri).toMatch(/^https?:\/\/[\x21-\x7e]+$/)
        }
        expect(userCode).toMatch(/^[^\p{Cc}\p{Cf}]+$/u)
        expect(seconds(interval)).toBeGreaterThanOrEqual(1)
        expect(seconds(interval)).toBeLessThanOrEqual(60)
        expect(seconds(expiresIn)).toBeGreaterThan(0)
        expect(seconds(expiresIn)).toBeLessThanOrEqual(86_400)
      })
    )
  })
})

describe("an answer to a poll", () => {
  it.each([
    ["authorization_pending", 400, { _tag: "Pending" }],
    ["authorization_pending", 200, { _tag: "Pending" }],
    ["authorization_pending", 403, { _tag: "Pending" }],
    ["authorization_pending", 428, { _tag: "Pending" }],
    ["slow_down", 400, { _tag: "SlowDown", interval: Option.none() }],
    ["slow_down", 429, { _tag: "SlowDown", interval: Option.none() }]
  ])("%s with status %i says to wait", (error, status, expected) => {
    expect(DeviceFlow.waiting(answer({ error }, status))).toEqual(Option.some(expected))
  })

  it("may come as a form", () => {
    const headers = { "content-type": "application/x-www-form-urlencoded" }
    expect(DeviceFlow.waiting({ status: 200, headers, body: "error=authorization_pending" })).toEqual(
      Option.some({ _tag: "Pending" })
    )
  })

  it("may name the interval, as GitHub does (S236)", () => {
    expect(DeviceFlow.waiting(answer({ error: "slow_down", interval: 20 }))).toEqual(
      Option.some({ _tag: "SlowDown", interval: Option.some(Duration.seconds(20)) })
    )
  })

  it.each([
    [{ error: "access_denied" }, 400],
    [{ access_token: "a", token_type: "bearer" }, 200],
    [{ error: "server_error" }, 500],
    [{}, 503],
    ["<html>", 502]
  ])("%j with status %i says something else", (members, status) => {
    expect(DeviceFlow.waiting(answer(members, status))).toEqual(Option.none())
  })
})

const slow = (interval?: number): DeviceFlow.Waiting => ({
  _tag: "SlowDown",
  interval: Option.map(Option.fromNullable(interval), Duration.seconds)
})
const pending: DeviceFlow.Waiting = { _tag: "Pending" }
const lost: RefreshErrorReason = { _tag: "Transport", description: "the connection was lost" }
const silent: RefreshErrorReason = { _tag: "Timeout", after: Duration.seconds(10) }
const busy = (retryAfter?: number, status = 503): RefreshErrorReason => ({
  _tag: "Unavailable",
  status,
  retryAfter: retryAfter === undefined ? undefined : Duration.seconds(retryAfter)
})
const rejected = (code: string): RefreshErrorReason => ({ _tag: "Rejected", code, description: "said so", status: 400 })

type Step = DeviceFlow.Waiting | RefreshErrorReason

const after = (steps: ReadonlyArray<Step>, interval = 5) =>
  steps.reduce<Either.Either<DeviceFlow.Polling, RefreshErrorReason>>(
    (polling, step) => Either.flatMap(polling, (polling) => DeviceFlow.next(polling, step)),
    Either.right(DeviceFlow.start(Duration.seconds(interval)))
  )

const waits = (steps: ReadonlyArray<Step>, interval = 5): ReadonlyArray<number> =>
  steps.map((_, nth) => Number(seconds(Either.getOrThrow(after(steps.slice(0, nth + 1), interval)).wait).toFixed(3)))

describe("the waits between polls", () => {
  it.each<[string, ReadonlyArray<Step>, ReadonlyArray<number>]>([
    ["pending keeps the interval (S230)", [pending, pending], [5, 5]],
    ["slow_down adds 5 s for all later polls (S230)", [pending, slow(), pending, slow(), pending], [5, 10, 10, 15, 15]],
    ["slow_down again and again stretches them (S235)", [slow(), slow(), slow(), pending], [10, 18, 28, 28]],
    ["an interval in slow_down counts if it is more (S236)", [slow(20), slow(7), pending], [20, 30, 30]],
    ["an interval in slow_down never makes them shorter (S236)", [slow(1)], [10]],
    [
      "no answer doubles them, up to a minute (S232)",
      [lost, silent, lost, silent, lost, pending],
      [10, 20, 40, 60, 60, 60]
    ],
    ["a busy server is given its time, once (S233)", [busy(), busy(30), busy(2), pending], [5, 30, 5, 5]],
    ["408, 429 and 500 are passing too (S233)", [busy(9, 408), busy(9, 429), busy(9, 500)], [9, 9, 9]]
  ])("%s", (_, steps, expected) => {
    expect(waits(steps)).toEqual(expected)
  })

  it.each([1, 1.1, 1.3])(
    "on a clock that is %f times as fast a strict server is satisfied before long (S131)",
    (speed) => {
      for (const interval of [1, 5, 30]) {
        let polling = DeviceFlow.start(Duration.seconds(interval))
        let wanted = interval
        let early = 0
        let inTime = 0
        for (let n = 0; n < 20; n++) {
          // It waits by its own seconds, of which the server sees fewer.
          const isEarly = Duration.toSeconds(polling.wait) / speed < wanted
          if (isEarly) wanted += 5
          early += isEarly ? 1 : 0
          inTime = isEarly ? 0 : inTime + 1
          polling = Either.getOrThrow(DeviceFlow.next(polling, isEarly ? slow() : pending))
        }
        expect(early).toBeLessThanOrEqual(speed === 1 ? 0 : 4)
        expect(inTime).toBeGreaterThanOrEqual(16)
      }
    }
  )

  it("slow_down goes beyond a minute, no answer does not take anything back", () => {
    expect(waits([slow(), lost, lost], 60)).toEqual([65, 65, 65])
  })

  it("the first comes after one interval, or at once (S241)", () => {
    expect(seconds(DeviceFlow.start(Duration.seconds(7)).wait)).toBe(7)
    expect(seconds(DeviceFlow.start(Duration.seconds(7), { pollAtOnce: true }).wait)).toBe(0)
  })

  it("never get shorter than the interval, whatever is answered", () => {
    const step = fc.oneof(
      fc.constantFrom<Step>(pending, lost, silent),
      fc.option(fc.nat(100), { nil: undefined }).map(slow),
      fc.option(fc.nat(100), { nil: undefined }).map((after) => busy(after))
    )
    fc.assert(
      fc.property(fc.array(step), fc.integer({ min: 1, max: 60 }), (steps, interval) => {
        let last = interval
        steps.forEach((_, nth) => {
          const polling = Either.getOrThrow(after(steps.slice(0, nth + 1), interval))
          expect(seconds(polling.interval)).toBeGreaterThanOrEqual(last)
          expect(seconds(polling.wait)).toBeGreaterThanOrEqual(seconds(polling.interval))
          last = seconds(polling.interval)
        })
      })
    )
  })
})

describe("the end", () => {
  const end = (steps: ReadonlyArray<Step>) => Either.getOrThrow(Either.flip(after(steps)))

  it.each(["access_denied", "authorization_declined"])("%s: somebody said no (S231)", (code) => {
    expect(end([pending, rejected(code)])).toEqual({ _tag: "Interaction", kind: "Denied", description: "said so" })
  })

  it("expired_token: nobody came (S231)", () => {
    expect(end([pending, rejected("expired_token")])).toMatchObject({ _tag: "Interaction", kind: "TimedOut" })
  })

  it.each(["invalid_grant", "invalid_client", "unsupported_grant_type", "made_up"])(
    "%s stays as it is (S234)",
    (code) => {
      expect(end([rejected(code)])).toEqual(rejected(code))
    }
  )

  it.each([401, 403])("a bare %i comes from something in between", (status) => {
    expect(end([busy(1, status)])).toEqual(busy(1, status))
  })

  it("an answer that is none stays as it is", () => {
    const reason: RefreshErrorReason = {
      _tag: "InvalidResponse",
      description: "text/html instead of JSON",
      status: 200
    }
    expect(end([reason])).toEqual(reason)
  })

  it("a code that is refused after a lost answer may have been spent by it (S243)", () => {
    expect(end([lost, pending, rejected("invalid_grant")])).toMatchObject({
      _tag: "Rejected",
      code: "invalid_grant",
      description: "an earlier poll stayed without an answer, which may have held the token"
    })
    expect(end([silent, rejected("expired_token")])).toMatchObject({
      kind: "TimedOut",
      description: "the code has expired; an earlier poll stayed without an answer, which may have held the token"
    })
  })

  it("after five requests to slow down the clock is suspected (S235)", () => {
    const description = (slowDowns: number) =>
      end([...Array.from({ length: slowDowns }, () => slow()), rejected("expired_token")])
    expect(description(4)).toMatchObject({ description: "the code has expired" })
    expect(description(5)).toMatchObject({ description: expect.stringContaining("clock may run fast") })
  })
})

it("the target goes with the first request, not with the polls", () => {
  const target = { scope: ["a", "b"], audience: "api", resource: "https://api.test", parameters: { tenant: "x" } }
  expect(DeviceFlow.request(target).params.map(([name]) => name)).toEqual(["scope", "audience", "resource", "tenant"])
  const grant = DeviceFlow.grant(Redacted.make("c"))
  expect([grant.type, grant.params.map(([name]) => name), grant.oneTime]).toEqual([
    "urn:ietf:params:oauth:grant-type:device_code",
    ["device_code"],
    false
  ])
})
