import { describe, expect, it } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { createHash } from "node:crypto"
import * as Assertion from "../../src/protocol/Assertion.ts"
import * as Grant from "../../src/protocol/Grant.ts"
import * as TokenRequest from "../../src/protocol/TokenRequest.ts"
import { clear } from "../support/clear.ts"

const base = {
  issuer: "me",
  subject: "ada",
  id: "j",
  now: DateTime.unsafeMake(1_700_000_000_999),
  lifetime: "1 minute"
}

const claims = (more?: Partial<Parameters<typeof Assertion.claims>[0]>) =>
  Assertion.claims({ ...base, ...more } as Parameters<typeof Assertion.claims>[0])

describe("the claims", () => {
  it("are those of RFC 7523 §3, times in whole seconds, and no nbf", () => {
    expect(claims({ audience: "aud" })).toEqual({
      iss: "me",
      sub: "ada",
      aud: "aud",
      jti: "j",
      iat: 1_700_000_000,
      exp: 1_700_000_060
    })
  })

  it("have a scope where a server wants it there, and no blank one", () => {
    expect(claims({ scope: ["a", "b"] })["scope"]).toBe("a b")
    expect(claims({ scope: ["", " "] })).not.toHaveProperty("scope")
    expect(claims()).not.toHaveProperty("aud")
  })

  it("cannot be changed by further ones", () => {
    const all = claims({ audience: "aud", claims: { iss: "evil", exp: 9e9, tenant: "t" } })
    expect([all["iss"], all["exp"], all["tenant"]]).toEqual(["me", 1_700_000_060, "t"])
  })

  it("last at least as long as said", () => {
    expect(claims({ lifetime: "1500 millis" })["exp"]).toBe(1_700_000_002)
  })
})

describe("the header", () => {
  it("names the key, with thumbprints as base64url (RFC 7515 §4.1.7)", () => {
    const [sha1, sha256] = ["sha1", "sha256"].map((name) => createHash(name).update("certificate"))
    const [hex, hexS256] = [sha1!.copy().digest("hex"), sha256!.copy().digest("hex")]
    expect(
      Assertion.header({
        keyId: "k",
        thumbprint: hex.toUpperCase().replace(/(..)(?=.)/g, "$1:"),
        thumbprintS256: hexS256
      })
    ).toEqual({ kid: "k", x5t: sha1!.digest("base64url"), "x5t#S256": sha256!.digest("base64url") })
    expect(Assertion.header({})).toEqual({})
  })
})

describe("the audience", () => {
  const server = { tokenEndpoint: "https://id.test/token", issuer: Option.some("https://id.test") }
  it.each<[string | undefined, Option.Option<string>, string | undefined]>([
    [undefined, server.issuer, "https://id.test/token"],
    ["tokenEndpoint", server.issuer, "https://id.test/token"],
    ["issuer", server.issuer, "https://id.test"],
    ["issuer", Option.none(), undefined],
    ["https://other.test", Option.none(), "https://other.test"]
  ])("wished for as %j at issuer %j is %j", (wish, issuer, audience) => {
    expect(Option.getOrUndefined(Assertion.audience(wish, { ...server, issuer }))).toBe(audience)
  })
})

describe("the check", () => {
  it.each<[string | undefined, Parameters<typeof Assertion.check>[1]]>([
    [undefined, {}],
    [undefined, { lifetime: "1 hour", claims: { tenant: 1 }, audience: "x", keyId: "k", thumbprint: "ab".repeat(20) }],
    ["lifetime", { lifetime: "61 minutes" }],
    ["lifetime", { lifetime: 0 }],
    ["lifetime", { lifetime: Infinity }],
    ["audience", { audience: " " }],
    ["audience", { audience: "a\nb" }],
    ["keyId", { keyId: "" }],
    ["keyId", { keyId: "a\r\nb" }],
    ["thumbprint", { thumbprint: "no hex" }],
    ["thumbprint", { thumbprint: "ab".repeat(32) }],
    ["thumbprintS256", { thumbprintS256: "ab".repeat(20) }],
    ["thumbprintS256", { thumbprintS256: "" }],
    ["claims", { claims: { exp: 1 } }],
    ["claims", { claims: { aud: "x" } }],
    ["claims", { claims: { nbf: 0 } }]
  ])("names %s in %j", (option, options) => {
    expect(Option.getOrUndefined(Option.map(Assertion.check("Test", options), ({ option }) => option))).toBe(option)
  })
})

describe("in a request", () => {
  const secret = Redacted.make("a.b.c")

  it("it says who the client is, or is what is offered, and counts as a secret", () => {
    const request = TokenRequest.fromGrant(Grant.jwtBearer())
    const offered = Assertion.asGrant(Assertion.asClient(request, "me", secret), secret)
    const shown = { redacted: "a.b.c" }
    expect(clear(offered.params)).toEqual([
      ["grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"],
      ["client_id", "me"],
      ["client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"],
      ["client_assertion", shown],
      ["assertion", shown]
    ])
    expect(clear(offered.secrets)).toEqual([shown, shown])
  })

  it("it is wanted by the grant that has none yet, and by nothing else", () => {
    expect(Assertion.isWanted(TokenRequest.fromGrant(Grant.jwtBearer()))).toBe(true)
    expect(Assertion.isWanted(TokenRequest.fromGrant(Grant.jwtBearer(secret)))).toBe(false)
    expect(Assertion.isWanted(TokenRequest.fromGrant(Grant.clientCredentials()))).toBe(false)
    expect(Assertion.isWanted(TokenRequest.make([["token", secret]]))).toBe(false)
  })
})
