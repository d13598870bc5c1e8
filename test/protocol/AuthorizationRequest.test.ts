import { assert, describe, it } from "vitest"
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as fc from "fast-check"
import * as Pkce from "../../src/internal/pkce.ts"
import * as Text from "../../src/internal/text.ts"
import * as AuthorizationRequest from "../../src/protocol/AuthorizationRequest.ts"

const challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
const state = "af0ifjsldkj"
const options: AuthorizationRequest.Options = {
  authorizationEndpoint: "https://id.test/authorize",
  clientId: "me",
  redirectUri: "http://127.0.0.1:53000/callback",
  state: Redacted.make(state),
  challenge
}
const url = (more: Partial<AuthorizationRequest.Options> = {}) => AuthorizationRequest.url({ ...options, ...more })
const sent = (more: Partial<AuthorizationRequest.Options> = {}) => Either.getOrThrow(url(more))

describe("AuthorizationRequest.url", () => {
  it("asks for a code with PKCE and S256, in a fixed order", () => {
    assert.strictEqual(
      sent(),
      "https://id.test/authorize?response_type=code&client_id=me&redirect_uri=http%3A%2F%2F127.0.0.1%3A53000%2Fcallback" +
        `&state=${state}&code_challenge=${challenge}&code_challenge_method=S256`
    )
  })

  it("writes everything that can be asked for, spaces as %20, in the documented order", () => {
    assert.strictEqual(
      sent({
        nonce: Redacted.make("n-0S6"),
        scope: ["openid", "read:all"],
        prompt: ["login", "consent"],
        loginHint: "ada+1@example.com",
        audience: ["a 1", "a&2"],
        resource: "https://api.test/",
        parameters: { access_type: "offline", "claims[]": "ü €" }
      }).replace(/^.*?&scope=/, "scope="),
      `scope=openid%20read%3Aall&state=${state}&nonce=n-0S6&code_challenge=${challenge}&code_challenge_method=S256` +
        "&prompt=login%20consent&login_hint=ada%2B1%40example.com&audience=a%201&audience=a%262" +
        "&resource=https%3A%2F%2Fapi.test%2F&access_type=offline&claims%5B%5D=%C3%BC%20%E2%82%AC"
    )
  })

  it("leaves out what is blank", () => {
    const blank = { scope: [], prompt: " ", loginHint: "", audience: "", resource: [], parameters: { a: " " } }
    assert.strictEqual(sent(blank), sent())
  })

  it.each([
    ["https://id.test/authorize?p=b2c_1", "https://id.test/authorize?p=b2c_1&response_type="],
    ["https://id.test/authorize?", "https://id.test/authorize?response_type="],
    ["https://id.test", "https://id.test/?response_type="],
    ["https://ID.test:443/%7Ea?x=%20", "https://id.test/%7Ea?x=%20&response_type="],
    ["http://localhost:3000/a", "http://localhost:3000/a?response_type="],
    ["http://[::1]:3000/a", "http://[::1]:3000/a?response_type="]
  ])("the endpoint's own query stays: %s (S219)", (authorizationEndpoint, start) => {
    const address = sent({ authorizationEndpoint })
    assert.isTrue(address.startsWith(start), address)
    assert.strictEqual(new URL(address).searchParams.getAll("response_type").length, 1)
  })

  it.each(["code_challenge", "code_challenge_method"])(
    "%s is set by the login alone, neither by parameters nor by the endpoint (S205)",
    (name) => {
      for (const [option, more] of [
        ["parameters", { parameters: { [name]: "plain" } }],
        ["authorizationEndpoint", { authorizationEndpoint: `https://id.test/authorize?${name}=plain` }]
      ] as const) {
        const result = url(more)
        assert.isTrue(Either.isLeft(result) && result.left.option === option, `${option} with ${name}`)
      }
    }
  )

  const hostile = ["$(id)", "`id`", "&calc", ";id", "|id", "'\"", "%0a"]
  it.each<readonly [string, Partial<AuthorizationRequest.Options>]>([
    ...[
      ...["http://id.test/authorize", "file:///etc/passwd", "javascript:alert(1)", "-e", "", "/authorize"],
      ...["https://id.test/authorize#x", "https://u:p@id.test/", "https://id.test/a b", "https://id.test/\nX: y"],
      ...["https://id.test/?client_id=you", "https://id.test/?state=x", "https://id.test/?response_type=token"]
    ].map((authorizationEndpoint) => ["authorizationEndpoint", { authorizationEndpoint }] as const),
    ["clientId", { clientId: "" }],
    ["clientId", { clientId: "a\nb" }],
    ["clientId", { clientId: "\ud800" }],
    ["redirectUri", { redirectUri: "/callback" }],
    ["redirectUri", { redirectUri: "https://app.test/#x" }],
    ["redirectUri", { redirectUri: "https://app.test/a b" }],
    ["state", { state: Redacted.make("") }],
    ["state", { state: Redacted.make("short") }],
    ["state", { state: Redacted.make("with\nbreak") }],
    ["nonce", { nonce: Redacted.make("with\nbreak") }],
    ["challenge", { challenge: "" }],
    ["challenge", { challenge: `${challenge}=` }],
    ["challenge", { challenge: "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjX" }],
    ["scope", { scope: ["a b"] }],
    ["prompt", { prompt: "login consent" }],
    ["prompt", { prompt: ["none", "login"] }],
    ["loginHint", { loginHint: "a\r\nb" }],
    ["resource", { resource: "api" }],
    ["parameters", { parameters: { a: "\ud800" } }],
    ["parameters", { parameters: { "a b": "c" } }],
    ...[
      ...["response_type", "response_mode", "client_id", "client_secret", "redirect_uri", "scope", "state", "nonce"],
      ...["code_challenge", "code_challenge_method", "code_verifier", "prompt", "login_hint", "audience", "resource"],
      ...["request", "request_uri", "id_token_hint", "code", "grant_type"]
    ].map((reserved) => ["parameters", { parameters: { [reserved]: "x" } }] as const)
  ])("refuses what cannot work, naming %s: %j (S219, S244)", (option, more) => {
    const result = url(more)
    assert.isTrue(Either.isLeft(result))
    assert.strictEqual(Either.isLeft(result) && result.left.option, option)
  })

  it.each(hostile)("what a hostile endpoint says stays one harmless URL: %s (S244)", (text) => {
    const address = sent({ authorizationEndpoint: `https://id.test/a${text}?b=${text}` })
    assert.match(address, /^https:\/\/id\.test\/[\x21\x23-\x7e]+$/)
    assert.strictEqual(new URL(address).href, address)
  })

  it("every parameter arrives as it was given, whatever it is", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), fc.string({ unit: "grapheme" }), (clientId, value) => {
        const result = url({ clientId, parameters: { extra: value } })
        if (Either.isLeft(result)) return
        const params = new URL(result.right).searchParams
        assert.strictEqual(params.get("client_id"), clientId)
        assert.strictEqual(params.get("extra"), value.trim() === "" ? null : value)
      })
    )
  })
})

describe("AuthorizationRequest.decode", () => {
  const expected = { state: Redacted.make(state), issuer: Option.some("https://id.test") }
  const decode = (callback: string, more: object = {}) =>
    AuthorizationRequest.decode(callback, { ...expected, ...more })

  it.each([
    `http://127.0.0.1:53000/callback?code=SplxlOBe&state=${state}`,
    `/callback?state=${state}&code=SplxlOBe&session_state=x`,
    `?code=SplxlOBe&state=${state}`,
    `code=SplxlOBe&state=${state}`,
    `  https://app.test/?code=SplxlOBe&state=${state}#_=_\n`,
    `/callback?code=SplxlOBe&state=${state}&iss=https%3A%2F%2Fid.test`,
    `/callback?code=SplxlOBe&state=${state}&access_token=ignored`
  ])("finds the code in %j", (callback) => {
    const answer = decode(callback)
    assert.strictEqual(answer._tag === "Code" && Redacted.value(answer.code), "SplxlOBe")
    assert.notInclude(JSON.stringify(answer), "SplxlOBe")
  })

  it.each([
    "",
    "?",
    "/favicon.ico",
    "/callback",
    "/callback?code=SplxlOBe",
    "/callback?code=SplxlOBe&state=",
    "/callback?code=SplxlOBe&state=guessed",
    `/callback?code=SplxlOBe&state=${state}x`,
    `/callback?code=SplxlOBe&state=${state.slice(1)}`,
    `/callback?code=SplxlOBe&state=${state.toUpperCase()}`,
    `/callback?code=SplxlOBe&state=${state}&state=${state}`,
    `/callback?code=SplxlOBe&state=guessed&state=${state}`,
    `/callback?code=SplxlOBe&State=${state}`,
    "/callback?error=access_denied",
    "/callback?error=access_denied&state=guessed",
    `/callback#code=SplxlOBe&state=${state}`,
    `/callback?code=${"x".repeat(1_048_576)}&state=${state}`,
    `/callback?state=${state}&code=x&pad=${"x".repeat(8_192)}`,
    "https://[bad?%zz&state=%"
  ])("is not the answer to this login: %.60s (S204, S216)", (callback) => {
    assert.strictEqual(decode(callback)._tag, "Stray")
  })

  it.each<readonly [string, object]>([
    ["", { _tag: "InvalidResponse", description: "it holds neither a code nor an error" }],
    ["&code=", { _tag: "InvalidResponse", description: "it holds neither a code nor an error" }],
    ["&code=a&code=b", { _tag: "InvalidResponse", description: "it holds more than one code" }],
    ["&code=a%0d%0ab", { _tag: "InvalidResponse", description: "its code has characters that none can have" }],
    ["&code=%C3%A9", { _tag: "InvalidResponse", description: "its code has characters that none can have" }],
    [
      "&access_token=x",
      { _tag: "InvalidResponse", description: "it holds tokens, which were not asked for, and no code" }
    ],
    ["&error=access_denied", { _tag: "Interaction", kind: "Denied", description: undefined }],
    [
      "&error=access_denied&error_description=not%20%1b%5B31mtoday%E2%80%AE&code=a",
      { _tag: "Interaction", kind: "Denied", description: "not [31mtoday" }
    ],
    ["&error=login_required", { _tag: "ReauthenticationRequired", subtype: "login_required", description: undefined }],
    ["&error=temporarily_unavailable", { _tag: "Unavailable", status: 503 }],
    ["&error=server_error", { _tag: "Unavailable", status: 500 }],
    ["&error=invalid_scope", { _tag: "Rejected", code: "invalid_scope", description: undefined, status: 302 }],
    ["&error=%0a", { _tag: "Rejected", code: "an unreadable error", description: undefined, status: 302 }],
    ["&error=", { _tag: "Rejected", code: "an unreadable error", description: undefined, status: 302 }],
    [
      "&code=a&iss=https://evil.test",
      { _tag: "InvalidResponse", description: "it is from another authorization server than was asked (iss)" }
    ],
    [
      "&code=a&iss=https://id.test/",
      { _tag: "InvalidResponse", description: "it is from another authorization server than was asked (iss)" }
    ],
    [
      "&error=access_denied&iss=https://evil.test",
      { _tag: "InvalidResponse", description: "it is from another authorization server than was asked (iss)" }
    ],
    [
      "&code=a&iss=https://id.test&iss=https://id.test",
      { _tag: "InvalidResponse", description: "it does not say which authorization server it is from (iss)" }
    ]
  ])("%j ends the login with what it says (S208, S209, S216, S227)", (rest, reason) => {
    assert.deepStrictEqual(decode(`/callback?state=${state}${rest}`), { _tag: "Failed", reason } as never)
  })

  it("iss must be there if the server says that it sends it, and is not looked at if nobody knows the issuer (S208)", () => {
    const callback = `/callback?code=a&state=${state}`
    assert.strictEqual(decode(callback)._tag, "Code")
    assert.strictEqual(decode(callback, { isIssuerSent: true })._tag, "Failed")
    assert.strictEqual(decode(`${callback}&iss=https://id.test`, { isIssuerSent: true })._tag, "Code")
    assert.strictEqual(decode(`${callback}&iss=https://who.test`, { issuer: Option.none() })._tag, "Code")
  })

  it("never throws, and never takes a wrong state", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: "binary" }), fc.webUrl({ withQueryParameters: true })), (text) => {
        assert.strictEqual(decode(text)._tag, "Stray")
      })
    )
  })

  it("shows neither state nor code (S037)", () => {
    for (const rest of ["&code=c4nary", "&code=c4nary%0a", "&code=c4nary&code=c4nary", "&access_token=c4nary"]) {
      assert.notMatch(JSON.stringify(decode(`/callback?state=${state}${rest}`)), /c4nary|af0ifjsldkj/)
    }
  })
})

describe("what a login needs of cryptography", () => {
  it("comparing secrets looks at every character, wherever the first wrong one is (S036)", () => {
    const expected = "s3cret-0123456789"
    const looks = (given: string) => {
      let count = 0
      const counting = { length: given.length, charCodeAt: (at: number) => (count++, given.charCodeAt(at)) }
      return [Text.isSame(counting as unknown as string, expected), count]
    }
    assert.deepStrictEqual(looks(expected), [true, expected.length])
    for (let at = 0; at < expected.length; at++) {
      const wrong = `${expected.slice(0, at)}!${expected.slice(at + 1)}`
      assert.deepStrictEqual(looks(wrong), [false, expected.length], wrong)
    }
    fc.assert(fc.property(fc.string(), fc.string(), (a, b) => Text.isSame(a, b) === (a === b) && Text.isSame(a, a)))
    for (const [a, b] of [
      ["", "\0"],
      ["\0", ""],
      ["a", "a\0"],
      ["a\0", "a"],
      ["", "a"]
    ] as const) {
      assert.isFalse(Text.isSame(a, b), JSON.stringify([a, b]))
    }
  })

  it("the challenge is that of RFC 7636, appendix B (S205)", async () => {
    const verifier = Redacted.make("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
    assert.strictEqual(await Effect.runPromise(Pkce.challenge(verifier)), challenge)
  })

  it("secrets have 256 bits in 43 characters, and are never the same (S204, S205)", () => {
    const secrets = Array.from({ length: 200 }, () => Redacted.value(Effect.runSync(Pkce.secret)))
    assert.strictEqual(new Set(secrets).size, 200)
    for (const secret of secrets) {
      assert.match(secret, /^[\w-]{43}$/)
      assert.strictEqual(Either.getOrThrow(Encoding.decodeBase64Url(secret)).length, 32)
    }
  })
})
