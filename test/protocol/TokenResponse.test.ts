import { describe, expect, it } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import fc from "fast-check"
import { inspect } from "node:util"
import { RefreshError } from "../../src/CredentialsError.ts"
import * as Timing from "../../src/internal/timing.ts"
import * as TokenResponse from "../../src/protocol/TokenResponse.ts"
import * as Token from "../../src/Token.ts"

const requestedAt = DateTime.unsafeMake(1_700_000_000_000)
const json = { "content-type": "application/json" }

const decode = (body: unknown, options?: Partial<TokenResponse.TokenResponse>) =>
  TokenResponse.decode({
    provider: "Test",
    status: 200,
    headers: json,
    body: typeof body === "string" ? body : JSON.stringify(body),
    requestedAt,
    ...options
  })

const tokenOf = (answer: Either.Either<Token.Token, RefreshError>) =>
  Either.getOrThrowWith(answer, (error) => new Error(error.message))

const reasonOf = (answer: Either.Either<unknown, RefreshError>) =>
  Either.match(answer, {
    onLeft: ({ reason }) => reason,
    onRight: () => expect.fail("expected a failure")
  })

const good = { access_token: "t0ken", token_type: "Bearer", expires_in: 3600 }

/** Seconds from the request to the expiry. */
const lifetime = (answer: Either.Either<Token.Token, RefreshError>) =>
  Option.getOrUndefined(Option.map(tokenOf(answer).expiresAt, (at) => DateTime.distance(requestedAt, at) / 1000))

describe("a token", () => {
  it("has everything the server said", () => {
    const token = tokenOf(decode({ ...good, refresh_token: "r", id_token: "i.d.t", scope: "a  b", tenant: { id: 1 } }))
    expect(Redacted.value(token.accessToken)).toBe("t0ken")
    expect(token.tokenType).toBe("bearer")
    expect(token.issuedAt).toEqual(requestedAt)
    expect(Option.map(token.refreshToken, Redacted.value)).toEqual(Option.some("r"))
    expect(Option.map(token.idToken, Redacted.value)).toEqual(Option.some("i.d.t"))
    expect(token.scope).toEqual(["a", "b"])
    expect({ ...Redacted.value(token.extra) }).toEqual({ tenant: { id: 1 } })
  })

  const tenYears = Timing.maxLifetime / 1000
  it.each<[unknown, number | undefined | "refused"]>([
    [3600, 3600],
    ["3600", 3600],
    [" 3600 ", 3600],
    [3599.9, 3599],
    ["3599.9", 3599],
    [0, 0],
    [-1, 0],
    ["-5", 0],
    [null, undefined],
    [undefined, undefined],
    ["", undefined],
    [2_147_483_648, tenYears],
    [9_007_199_254_740_993, tenYears],
    ["3600abc", "refused"],
    ["0x10", "refused"],
    ["1e3", "refused"],
    ["Infinity", "refused"],
    ["NaN", "refused"],
    [true, "refused"],
    [[3600], "refused"],
    [{}, "refused"]
  ])("with expires_in %j lasts %s seconds (S041, S064)", (expires_in, expected) => {
    const answer = decode({ ...good, expires_in })
    if (expected === "refused") expect(reasonOf(answer)._tag).toBe("InvalidResponse")
    else expect(lifetime(answer)).toBe(expected)
  })

  it("with an infinite expires_in lasts ten years (S041)", () => {
    expect(lifetime(decode(`{"access_token":"t","expires_in":1e999}`))).toBe(tenYears)
    expect(lifetime(decode(`{"access_token":"t","expires_in":-1e999}`))).toBe(0)
  })

  it.each<[unknown, number | "refused"]>([
    [1_700_000_060, 60],
    ["1700000060", 60],
    [1_700_000_060.9, 60],
    ["2023-11-14T22:14:20Z", 60],
    ["2023-11-14T23:14:20.500+01:00", 60.5],
    [1_600_000_000, 0],
    [1_700_000_060_000, "refused"],
    ["2023-11-14", "refused"],
    ["2023-11-14T22:14:20", "refused"],
    ["2023-99-14T22:14:20Z", "refused"],
    ["soon", "refused"],
    [[], "refused"]
  ])("with expires_at %j lasts %s seconds (S043)", (expires_at, expected) => {
    const answer = decode({ access_token: "t", expires_at })
    if (expected === "refused") expect(reasonOf(answer)._tag).toBe("InvalidResponse")
    else expect(lifetime(answer)).toBe(expected)
  })

  it("expires as expires_in says, then as expires_at says, then as its own exp says", () => {
    const access_token = `${Encoding.encodeBase64Url("{}")}.${Encoding.encodeBase64Url(`{"exp":1700000030}`)}.x`
    expect(lifetime(decode({ access_token, expires_in: 10, expires_at: 1_700_000_020 }))).toBe(10)
    expect(lifetime(decode({ access_token, expires_at: 1_700_000_020 }))).toBe(20)
    expect(lifetime(decode({ access_token }))).toBe(30)
    expect(lifetime(decode({ access_token: "opaque" }))).toBeUndefined()
  })

  it.each([["Bearer"], ["bearer"], ["BEARER"], [undefined], [null], [""]])(
    "of type %j is a bearer token (S046)",
    (token_type) => {
      expect(tokenOf(decode({ ...good, token_type })).tokenType).toBe("bearer")
    }
  )

  const kind = (name: string) => `urn:ietf:params:oauth:token-type:${name}`
  it.each<[string, unknown, string | undefined, boolean]>([
    ["Bearer", kind("access_token"), undefined, true],
    ["Bearer", kind("jwt"), undefined, true],
    ["Bearer", kind("jwt"), kind("access_token"), true],
    ["Bearer", kind("access_token"), kind("jwt"), true],
    ["N_A", kind("id_token"), kind("id_token"), true],
    ["n_a", "urn:example:pass", "urn:example:pass", true],
    ["Bearer", "", undefined, true],
    ["Bearer", null, undefined, true],
    ["Bearer", kind("refresh_token"), undefined, false],
    ["N_A", kind("id_token"), undefined, false],
    ["N_A", kind("id_token"), kind("access_token"), false],
    ["N_A", kind("saml2"), kind("id_token"), false],
    ["mac", kind("access_token"), undefined, false],
    ["Bearer", 7, undefined, false],
    ["Bearer", [kind("access_token")], undefined, false]
  ])(
    "of type %j, issued as %j where %j was asked for, is taken: %j",
    (token_type, issued_token_type, requested, taken) => {
      const answer = decode({ ...good, token_type, issued_token_type }, { requestedTokenType: requested })
      expect(Either.isRight(answer)).toBe(taken)
      if (!taken) expect(reasonOf(answer)._tag).toBe("InvalidResponse")
    }
  )

  it.each([["DPoP"], ["mac"], ["N_A"], [7], [{}], [["bearer"]]])("of type %j is refused (S046)", (token_type) => {
    expect(reasonOf(decode({ ...good, token_type }))._tag).toBe("InvalidResponse")
  })

  it.each([
    [undefined],
    [null],
    [7],
    [{}],
    [["t"]],
    [""],
    [" "],
    ["a b"],
    ["a\r\nb"],
    ["a\u0000b"],
    ["tökén"],
    ["x".repeat(65_537)]
  ])("that could not be sent is refused (S049) %#", (access_token) => {
    const reason = reasonOf(decode({ ...good, access_token }))
    expect(reason._tag).toBe("InvalidResponse")
  })

  it("keeps the previous refresh token unless there is another (S044, S045)", () => {
    const previousRefreshToken = Option.some(Redacted.make("previous"))
    const refresh = (refresh_token: unknown) =>
      Option.map(tokenOf(decode({ ...good, refresh_token }, { previousRefreshToken })).refreshToken, Redacted.value)
    expect([undefined, null, "", "next"].map((value) => Option.getOrNull(refresh(value)))).toEqual([
      "previous",
      "previous",
      "previous",
      "next"
    ])
    expect(Option.isNone(tokenOf(decode(good)).refreshToken)).toBe(true)
  })

  it.each([
    ["refresh_token", 7],
    ["refresh_token", {}],
    ["refresh_token", "a\nb"],
    ["id_token", 7],
    ["id_token", []]
  ])("with %s %j is refused (S061)", (name, value) => {
    expect(reasonOf(decode({ ...good, [name]: value }))._tag).toBe("InvalidResponse")
  })

  it.each<[unknown, ReadonlyArray<string> | "refused"]>([
    [undefined, ["asked"]],
    [null, ["asked"]],
    ["", ["asked"]],
    ["a b", ["a", "b"]],
    [
      ["a", "b"],
      ["a", "b"]
    ],
    ["a\u001b[31m b", ["a[31m", "b"]],
    [["a", 7], "refused"],
    [{ a: true }, "refused"],
    [7, "refused"]
  ])("with scope %j allows %j (S048)", (scope, expected) => {
    const answer = decode({ ...good, scope }, { requestedScope: ["asked"] })
    if (expected === "refused") expect(reasonOf(answer)._tag).toBe("InvalidResponse")
    else expect(tokenOf(answer).scope).toEqual(expected)
  })

  it("reads nothing through a prototype, and changes none (S051)", () => {
    const body = `{"access_token":"t","__proto__":{"expires_in":1,"polluted":1},"constructor":{"prototype":{"polluted":1}}}`
    const token = tokenOf(decode(body))
    const extra = Redacted.value(token.extra)
    expect(Object.getPrototypeOf(extra)).toBeNull()
    expect(extra["polluted"]).toBeUndefined()
    expect(Option.isNone(token.expiresAt)).toBe(true)
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined()
    expect(reasonOf(decode(`{"__proto__":{"access_token":"t"}}`))._tag).toBe("InvalidResponse")
  })

  it("counts a duplicate member the last time (S050)", () => {
    expect(Redacted.value(tokenOf(decode(`{"access_token":"a","access_token":"b"}`)).accessToken)).toBe("b")
  })
})

describe("a content type", () => {
  const text = JSON.stringify(good)

  it.each([
    ["application/json"],
    ["application/json; charset=utf-8"],
    ["APPLICATION/JSON"],
    ["application/vnd.example.token+json"],
    ["text/plain"],
    [""],
    [undefined]
  ])("of %j is read as JSON (S057)", (type) => {
    expect(Either.isRight(decode(text, { headers: { "content-type": type } }))).toBe(true)
  })

  it.each([
    ["text/html"],
    ["application/xml"],
    ["application/jsonp"],
    ["nonsense"],
    ["multipart/form-data; boundary=x"]
  ])("of %j is refused (S053, S057)", (type) => {
    expect(reasonOf(decode(text, { headers: { "content-type": type } }))._tag).toBe("InvalidResponse")
  })

  it("of a form is read as one, and only then (S056)", () => {
    const body = "access_token=t0ken&token_type=bearer&expires_in=60&scope=a+b"
    const token = tokenOf(
      decode(body, { headers: { "content-type": "application/x-www-form-urlencoded; charset=utf-8" } })
    )
    expect(token.scope).toEqual(["a", "b"])
    expect(reasonOf(decode(body, { headers: { "content-type": "text/plain" } }))._tag).toBe("InvalidResponse")
  })

  it("does not matter for a byte order mark (S055)", () => {
    expect(Either.isRight(decode(`\ufeff${text}`))).toBe(true)
  })
})

describe("a body", () => {
  it.each([[""], ["null"], ["[]"], ["7"], [`"t0ken"`], ["{"], ["<html>"], ["{}"], [`{"access_token"}`]])(
    "of %j is an InvalidResponse that does not quote it (S020, S054)",
    (body) => {
      const reason = reasonOf(decode(body))
      expect(reason._tag).toBe("InvalidResponse")
      expect(inspect(reason)).not.toContain("t0ken")
    }
  )

  it("nested a hundred thousand times is refused (S052)", () => {
    for (const [open, close] of [
      ["[", "]"],
      [`{"a":`, "}"]
    ] as const) {
      const body = `{"access_token":"t","x":${open.repeat(100_000)}0${close.repeat(100_000)}}`
      expect(reasonOf(decode(body))._tag).toBe("InvalidResponse")
    }
    expect(Either.isRight(decode({ ...good, text: "[".repeat(1_000) }))).toBe(true)
  })

  it("that is HTML is named by its type only (S053)", () => {
    const reason = reasonOf(decode("<html>log in t0ken</html>", { headers: { "content-type": "text/html" } }))
    expect(reason).toEqual({ _tag: "InvalidResponse", description: "text/html instead of JSON", status: 200 })
  })
})

describe("a failure", () => {
  it("in a 200 wins over a token beside it (S039)", () => {
    expect(reasonOf(decode({ ...good, error: "invalid_grant" }))).toMatchObject({
      _tag: "Rejected",
      code: "invalid_grant",
      status: 200
    })
  })

  it("is not read into an error that is null or empty", () => {
    expect(Either.isRight(decode({ ...good, error: null }))).toBe(true)
    expect(Either.isRight(decode({ ...good, error: "" }))).toBe(true)
  })

  it.each<[number, unknown, object]>([
    [400, { error: "invalid_grant" }, { _tag: "Rejected", code: "invalid_grant", status: 400 }],
    [401, { error: "invalid_client" }, { _tag: "Rejected", code: "invalid_client", status: 401 }],
    [
      400,
      { error: "invalid_scope", error_description: "no" },
      { _tag: "Rejected", code: "invalid_scope", description: "no" }
    ],
    [400, { error: "invalid_grant", suberror: "bad_token" }, { _tag: "Rejected", subtype: "bad_token" }],
    [400, { error: "invalid_grant", error_subtype: "x" }, { _tag: "Rejected", subtype: "x" }],
    [
      400,
      { error: "invalid_grant", error_subtype: "invalid_rapt" },
      { _tag: "ReauthenticationRequired", subtype: "invalid_rapt" }
    ],
    [400, { error: "rapt_required" }, { _tag: "ReauthenticationRequired", subtype: "rapt_required" }],
    [400, { error: "login_required" }, { _tag: "ReauthenticationRequired", subtype: "login_required" }],
    [400, { error: "interaction_required" }, { _tag: "ReauthenticationRequired", subtype: "interaction_required" }],
    [400, { error: "consent_required" }, { _tag: "ReauthenticationRequired", subtype: "consent_required" }],
    [400, { error: "temporarily_unavailable" }, { _tag: "Unavailable", status: 400 }],
    [400, { error: "server_error" }, { _tag: "Unavailable", status: 400 }],
    [400, { error: "internal_failure" }, { _tag: "Unavailable", status: 400 }],
    [400, { error: "invalid_request", error_description: "internal_failure" }, { _tag: "Unavailable", status: 400 }],
    [408, {}, { _tag: "Unavailable", status: 408 }],
    [429, { error: "slow_down" }, { _tag: "Unavailable", status: 429 }],
    [500, { error: "invalid_grant" }, { _tag: "Unavailable", status: 500 }],
    [502, "", { _tag: "Unavailable", status: 502 }],
    [400, "", { _tag: "InvalidResponse", status: 400 }],
    [400, {}, { _tag: "InvalidResponse", status: 400 }],
    [400, good, { _tag: "InvalidResponse", status: 400 }],
    [404, "", { _tag: "InvalidResponse", status: 404 }],
    [400, { error: ["a"] }, { _tag: "Rejected", code: "unknown" }],
    [
      400,
      { error: { code: 400, message: "API key not valid" } },
      { _tag: "Rejected", code: "unknown", description: "API key not valid" }
    ],
    [400, { error: 7 }, { _tag: "Rejected", code: "unknown" }],
    [400, { error: "a\u001bb" }, { _tag: "Rejected", code: "unknown" }],
    [400, { error: "x".repeat(65) }, { _tag: "Rejected", code: "unknown" }],
    [400, { error: "e", error_description: 7 }, { _tag: "Rejected", code: "e", description: undefined }]
  ])("with status %d and %j is %j (S059, S060)", (status, body, expected) => {
    expect(reasonOf(decode(body, { status }))).toMatchObject(expected)
  })

  it.each([[401], [403]])("with a bare %d comes from something in between (S073)", (status) => {
    for (const body of ["", "<html>blocked</html>"]) {
      expect(reasonOf(decode(body, { status, headers: { "content-type": "text/html" } }))).toMatchObject({
        _tag: "Unavailable",
        status
      })
    }
  })

  it.each([[204], [205], [304], [302], [100]])("is what a %d without a body is (S079)", (status) => {
    expect(reasonOf(decode("", { status }))._tag).toBe("InvalidResponse")
  })

  it("has a description of at most 256 characters, without controls and direction marks (S030, S059)", () => {
    const { description } = reasonOf(
      decode(
        { error: "e", error_description: `a\u001b]8;;x\u0007b\u202ec\n\nd${"x".repeat(1_000_000)}` },
        { status: 400 }
      )
    ) as { readonly description: string }
    expect(description).toMatch(/^a\]8;;xbc dx+$/)
    expect(description).toHaveLength(256)
    expect(isClean(description)).toBe(true)
  })

  it("does not repeat what it must not (S029)", () => {
    const reason = reasonOf(
      decode(
        { error: "e", error_description: "you sent t0p", error_subtype: "t0p" },
        { status: 400, isEchoed: (text) => text.includes("t0p") }
      )
    )
    expect(reason).toMatchObject({ description: "withheld, because it quotes a secret", subtype: undefined })
  })
})

const isClean = (text: string) => /^[\x20-\x7e]*$/.test(text)

describe("Retry-After", () => {
  const retryAfter = (headers: Record<string, string>) => {
    const reason = reasonOf(decode("", { status: 503, headers }))
    return reason._tag === "Unavailable" && reason.retryAfter !== undefined
      ? Duration.toMillis(reason.retryAfter)
      : undefined
  }

  it.each<[string, number | undefined]>([
    ["0", 0],
    ["120", 120_000],
    [" 7 ", 7_000],
    ["1000000000", Timing.maxLifetime],
    ["9".repeat(400), Timing.maxLifetime],
    ["Tue, 14 Nov 2023 22:14:20 GMT", 60_000],
    ["Tue, 14 Nov 2023 22:00:00 GMT", 0],
    ["-5", undefined],
    ["1.5", undefined],
    ["soon", undefined],
    ["", undefined],
    ["5, 7", undefined],
    ["Tue, 99 Foo 2023 22:14:20 GMT", undefined],
    ["2023-11-14T22:14:20Z", undefined]
  ])("of %j is %s ms (S069)", (value, expected) => {
    expect(retryAfter({ "retry-after": value })).toBe(expected)
  })

  it("as a date counts from the server's own clock (S069)", () => {
    expect(retryAfter({ "retry-after": "Fri, 01 Jan 2010 00:00:30 GMT", date: "Fri, 01 Jan 2010 00:00:00 GMT" })).toBe(
      30_000
    )
  })
})

describe("every answer whatsoever", () => {
  const canary = "c4nary-0123456789"
  const value = fc.oneof(
    fc.jsonValue({ maxDepth: 3 }),
    fc.constantFrom<unknown>("Bearer", canary, "3600", 1e308, -1, "", null, true, [canary], { [canary]: canary })
  )
  const members = fc.dictionary(
    fc.oneof(
      fc.constantFrom(
        "access_token",
        "token_type",
        "issued_token_type",
        "expires_in",
        "expires_at",
        "refresh_token",
        "id_token",
        "scope",
        "error",
        "error_description",
        "__proto__"
      ),
      fc.string()
    ),
    value
  )
  const mutated = fc.tuple(fc.constant(good), members).map(([good, members]) => JSON.stringify({ ...good, ...members }))
  const body = fc.oneof(
    { weight: 4, arbitrary: mutated },
    { weight: 2, arbitrary: members.map((members) => JSON.stringify(members)) },
    { weight: 1, arbitrary: fc.json() },
    { weight: 1, arbitrary: fc.string({ unit: "binary" }) },
    { weight: 1, arbitrary: mutated.chain((text) => fc.nat(text.length).map((at) => text.slice(0, at))) }
  )
  const headers = fc.record({
    "content-type": fc.constantFrom("application/json", "text/html", "application/x-www-form-urlencoded", undefined),
    "retry-after": fc.oneof(fc.string(), fc.constant(undefined))
  })
  const status = fc.oneof(
    { weight: 3, arbitrary: fc.constant(200) },
    { weight: 1, arbitrary: fc.integer({ min: 100, max: 599 }) }
  )

  it("is a well-formed token or a typed error, in 20,000 inputs (S019, S040)", { timeout: 60_000 }, () => {
    let tokens = 0
    fc.assert(
      fc.property(body, headers, status, (body, headers, status) => {
        const answer = decode(body, { headers, status })
        if (Either.isRight(answer)) {
          tokens++
          const token = answer.right
          expect(Token.isSendable(token)).toBe(true)
          expect(token.tokenType).toBe("bearer")
          if (Option.isSome(token.expiresAt)) {
            const lifetime = DateTime.distance(requestedAt, token.expiresAt.value)
            expect(lifetime >= 0 && lifetime <= Timing.maxLifetime).toBe(true)
          }
        } else {
          expect(answer.left).toBeInstanceOf(RefreshError)
          if (answer.left.reason._tag === "InvalidResponse") expect(inspect(answer.left)).not.toContain(canary)
        }
      }),
      { numRuns: 20_000 }
    )
    expect(tokens).toBeGreaterThan(500)
  })
})
