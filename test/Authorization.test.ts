import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { inspect } from "node:util"
import * as Authorization from "../src/Authorization.ts"
import { tokenOf } from "./support/credentials.ts"

const api = "https://api.example.com"
const token = tokenOf("t0ken")

describe("Authorization", () => {
  it("bearer is the scheme word and the token", () => {
    assert.deepStrictEqual(Authorization.bearer.headers(token, api), { authorization: "Bearer t0ken" })
    assert.deepStrictEqual(Authorization.bearer.names, ["authorization"])
  })

  it("header is the token alone, under the name in lower case", () => {
    assert.deepStrictEqual(Authorization.header("X-Goog-Api-Key").headers(token, api), { "x-goog-api-key": "t0ken" })
    assert.deepStrictEqual(Authorization.header("X-Goog-Api-Key").names, ["x-goog-api-key"])
  })

  it("raw is the Authorization header without a scheme word", () => {
    assert.deepStrictEqual(Authorization.raw.headers(token, api), { authorization: "t0ken" })
  })

  it("withHeaders adds fixed headers, secret or not, beside any other way, both in data-last and data-first style", () => {
    const fixed = { "Developer-Token": Redacted.make("d3v"), "x-project": "p 1" }
    const expected = { authorization: "t0ken", "developer-token": "d3v", "x-project": "p 1" }
    for (const self of [
      Authorization.raw.pipe(Authorization.withHeaders(fixed)),
      Authorization.withHeaders(Authorization.raw, fixed)
    ]) {
      assert.deepStrictEqual(self.headers(token, api), expected)
      assert.deepStrictEqual(self.names, Object.keys(expected))
      assert.isTrue(Option.isNone(self.problem))
    }
  })

  it("withRefreshToken shows the refresh token where there is one and it can be sent, and goes nowhere alone", () => {
    const self = Authorization.byOrigin({ [api]: Authorization.bearer }).pipe(
      Authorization.withRefreshToken("Refresh-Token")
    )
    const refreshable = (value: string) => ({ ...token, refreshToken: Option.some(Redacted.make(value)) })
    const both = refreshable("r3fresh")
    assert.deepStrictEqual(self.headers(both, api), { authorization: "Bearer t0ken", "refresh-token": "r3fresh" })
    assert.strictEqual(self.headers(both, api), self.headers(both, api))
    assert.deepStrictEqual(self.headers(refreshable("other"), api)["refresh-token"], "other")
    assert.deepStrictEqual(self.headers(refreshable("a\r\nb"), api), { authorization: "Bearer t0ken" })
    assert.deepStrictEqual(self.headers(token, api), { authorization: "Bearer t0ken" })
    assert.deepStrictEqual(self.headers(both, "https://other.example.com"), {})
    assert.deepStrictEqual(self.names, ["authorization", "refresh-token"])
    assert.isTrue(Option.isSome(Authorization.withRefreshToken(Authorization.bearer, "authorization").problem))
    assert.isTrue(Option.isSome(Authorization.withRefreshToken(Authorization.bearer, "a b").problem))
  })

  it("byOrigin chooses by origin, and sends nothing to an origin it does not know", () => {
    const self = Authorization.byOrigin({
      "https://files.example.com/": Authorization.header("x-key"),
      "HTTPS://API.example.com:443": Authorization.bearer
    })
    assert.deepStrictEqual(self.headers(token, "https://files.example.com"), { "x-key": "t0ken" })
    assert.deepStrictEqual(self.headers(token, api), { authorization: "Bearer t0ken" })
    assert.deepStrictEqual(self.headers(token, "https://other.example.com"), {})
    assert.deepStrictEqual(self.names, ["x-key", "authorization"])
    const withOther = Authorization.byOrigin({ [api]: Authorization.raw }, Authorization.header("x-other"))
    assert.deepStrictEqual(withOther.headers(token, "https://other.example.com"), { "x-other": "t0ken" })
    assert.deepStrictEqual(withOther.names, ["authorization", "x-other"])
  })

  it("a scheme is a word before the token", () => {
    assert.deepStrictEqual(Authorization.scheme("GoogleLogin").headers(token, api), {
      authorization: "GoogleLogin t0ken"
    })
  })

  const proof: Authorization.Proof = {
    names: ["x-proof"],
    thumbprint: Effect.succeed("key"),
    accepts: () => Effect.void,
    sign: () => Effect.succeed({ headers: { "x-proof": "proven" }, learn: () => false })
  }

  it("a proof stays with what is made of it, and its headers are protected", () => {
    const proven = Authorization.bearer.pipe(Authorization.withProof(proof))
    const more = Authorization.withHeaders(proven, { "x-key": "k" })
    const both = Authorization.byOrigin({ [api]: more, "https://files.example.com": proven }, proven)
    assert.deepStrictEqual([proven.proof, more.proof, both.proof], [proof, proof, proof])
    assert.deepStrictEqual(both.names, ["authorization", "x-proof", "x-key"])
    assert.deepStrictEqual([proven.problem, more.problem, both.problem], [Option.none(), Option.none(), Option.none()])
    assert.deepStrictEqual(proven.headers(token, api), { authorization: "Bearer t0ken" })
    assert.isUndefined(Authorization.byOrigin({ [api]: Authorization.bearer }).proof)
  })

  it("fixed headers go nowhere where the token does not go", () => {
    const self = Authorization.byOrigin({ [api]: Authorization.bearer }).pipe(
      Authorization.withHeaders({ "x-key": "k" })
    )
    assert.deepStrictEqual(self.headers(token, "https://other.example.com"), {})
  })

  it.each([
    ["bearer", Authorization.bearer],
    ["withHeaders", Authorization.withHeaders(Authorization.bearer, { "x-key": "k" })],
    ["byOrigin", Authorization.byOrigin({ [api]: Authorization.withHeaders(Authorization.raw, { "x-key": "k" }) })]
  ])("%s builds headers once for a token, and others for another token", (_, self) => {
    assert.strictEqual(self.headers(token, api), self.headers(token, api))
    const other = tokenOf("other")
    assert.notDeepEqual(self.headers(other, api), self.headers(token, api))
    assert.strictEqual(self.headers(other, api), self.headers(other, api))
  })

  it.each([
    ["a header name with a line break", Authorization.header("x-key\r\nx-evil")],
    ["a header name with a space", Authorization.header("x key")],
    ["a header name with a colon", Authorization.header("x-key:")],
    ["an empty header name", Authorization.header("")],
    ["a header name outside of ASCII", Authorization.header("x-schlüssel")],
    ["a value with CR LF", Authorization.withHeaders(Authorization.bearer, { "x-key": "v4lue\r\nx-evil: 1" })],
    ["a value with a trailing LF", Authorization.withHeaders(Authorization.bearer, { "x-key": "v4lue\n" })],
    ["a value with NUL", Authorization.withHeaders(Authorization.bearer, { "x-key": "v4lue\0" })],
    ["a value outside of Latin-1", Authorization.withHeaders(Authorization.bearer, { "x-key": "v4lue€" })],
    ["a C1 control", Authorization.withHeaders(Authorization.bearer, { "x-key": "v4lue\x85x" })],
    ["an empty value", Authorization.withHeaders(Authorization.bearer, { "x-key": "" })],
    ["a blank value", Authorization.withHeaders(Authorization.bearer, { "x-key": Redacted.make("  ") })],
    ["a value with blanks around it", Authorization.withHeaders(Authorization.bearer, { "x-key": " v4lue" })],
    ["a second header for the token", Authorization.withHeaders(Authorization.bearer, { Authorization: "v4lue" })],
    ["a scheme of two words", Authorization.scheme("Bearer x")],
    ["an empty scheme", Authorization.scheme("")],
    ["a proof in a header that is taken", Authorization.withProof(Authorization.header("x-proof"), proof)],
    [
      "a proof for one origin only",
      Authorization.byOrigin({
        [api]: Authorization.withProof(Authorization.bearer, proof),
        "https://files.example.com": Authorization.bearer
      })
    ],
    [
      "two proofs",
      Authorization.byOrigin(
        { [api]: Authorization.withProof(Authorization.bearer, proof) },
        Authorization.withProof(Authorization.bearer, { ...proof })
      )
    ],
    ["an origin with a path", Authorization.byOrigin({ "https://api.example.com/v1": Authorization.bearer })],
    ["an origin over http", Authorization.byOrigin({ "http://api.example.com": Authorization.bearer })],
    ["a problem of what it is made from", Authorization.byOrigin({ [api]: Authorization.header("a b") })],
    ["a problem of what it stands beside", Authorization.withHeaders(Authorization.header("a b"), { "x-key": "k" })],
    [
      "a problem of the alternative",
      Authorization.byOrigin({ [api]: Authorization.bearer }, Authorization.header("a b"))
    ]
  ])("%s is a problem: nothing is sent, and the value is not told (S101, S102)", (_, self) => {
    assert.isTrue(Option.isSome(self.problem))
    assert.deepStrictEqual(self.headers(token, api), {})
    assert.notInclude(Option.getOrThrow(self.problem), "v4lue")
    assert.notMatch(Option.getOrThrow(self.problem), /[\r\n]/)
  })

  it.each(["Tür", "a\tb", "ÿ", "{}", "a b"])("%j is a value that can be sent", (value) => {
    const self = Authorization.withHeaders(Authorization.bearer, { "x-key": value })
    assert.isTrue(Option.isNone(self.problem))
    assert.strictEqual(self.headers(token, api)["x-key"], value)
  })

  it("shows no secret when it is printed", () => {
    const self = Authorization.withHeaders(Authorization.bearer, { "developer-token": Redacted.make("c4nary") })
    self.headers(tokenOf("c4nary"), api)
    assert.notInclude(inspect(self, { depth: 9, showHidden: true }) + JSON.stringify(self), "c4nary")
  })
})
