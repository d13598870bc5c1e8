import { describe, expect, it } from "@effect/vitest"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Grant from "../../src/protocol/Grant.ts"
import { clear } from "../support/clear.ts"

const problem = (target: Grant.Target) =>
  Option.getOrUndefined(Option.map(Grant.check("Test", target), ({ option }) => option))

describe("a grant", () => {
  it("has its target as parameters; resource and audience may repeat (S092)", () => {
    const grant = Grant.clientCredentials({
      scope: ["a", "b"],
      audience: "x",
      resource: ["https://a.example", "https://b.example"],
      parameters: { tenant: "t" }
    })
    expect(grant.params).toEqual([
      ["scope", "a b"],
      ["audience", "x"],
      ["resource", "https://a.example"],
      ["resource", "https://b.example"],
      ["tenant", "t"]
    ])
  })

  it("leaves out what is blank", () => {
    const target = { scope: ["", " "], audience: "", resource: [" "], parameters: { a: "", b: Redacted.make(" ") } }
    expect(Grant.clientCredentials(target).params).toEqual([])
    expect(problem(target)).toBeUndefined()
    expect(Grant.make("x", { a: "", b: Redacted.make(""), c: undefined, d: "1" }).params).toEqual([["d", "1"]])
  })

  it("exchanges somebody's token, with what it is and who acts for them (RFC 8693 §2.1)", () => {
    const subjectToken = Redacted.make("s")
    const actorToken = Redacted.make("a")
    const grant = Grant.tokenExchange({
      subjectToken,
      subjectTokenType: "jwt",
      actorToken,
      actorTokenType: "urn:example:badge",
      requestedTokenType: "idToken",
      audience: ["x", "y"]
    })
    expect([grant.type, grant.oneTime]).toEqual(["urn:ietf:params:oauth:grant-type:token-exchange", false])
    expect(grant.params).toEqual([
      ["subject_token", subjectToken],
      ["subject_token_type", "urn:ietf:params:oauth:token-type:jwt"],
      ["actor_token", actorToken],
      ["actor_token_type", "urn:example:badge"],
      ["requested_token_type", "urn:ietf:params:oauth:token-type:id_token"],
      ["audience", "x"],
      ["audience", "y"]
    ])
    const alone = Grant.tokenExchange({ subjectToken, subjectTokenType: "saml2", actorTokenType: "jwt" })
    expect(alone.params.map(([name]) => name)).toEqual(["subject_token", "subject_token_type"])
  })

  it("offers an assertion, or a name and a password", () => {
    const secret = Redacted.make("s")
    expect(clear(Grant.jwtBearer(secret, { scope: ["a"] }))).toEqual({
      type: "urn:ietf:params:oauth:grant-type:jwt-bearer",
      params: [
        ["assertion", { redacted: "s" }],
        ["scope", "a"]
      ],
      oneTime: false
    })
    expect(clear(Grant.password("ada", secret, { scope: ["a"] }))).toEqual({
      type: "password",
      params: [
        ["username", "ada"],
        ["password", { redacted: "s" }],
        ["scope", "a"]
      ],
      oneTime: false
    })
  })

  it("is spent by being offered if it is a code or a refresh token, unless said otherwise", () => {
    expect(Grant.clientCredentials().oneTime).toBe(false)
    expect(Grant.refreshToken(Redacted.make("r")).oneTime).toBe(true)
    expect(Grant.refreshToken(Redacted.make("r"), { oneTime: false }).oneTime).toBe(false)
    expect(Grant.make("authorization_code", {}).oneTime).toBe(true)
    expect(Grant.make("urn:ietf:params:oauth:grant-type:device_code", {}).oneTime).toBe(true)
  })
})

describe("the check", () => {
  it.each<[string | undefined, Grant.Target]>([
    [undefined, {}],
    [undefined, { scope: ["https://www.googleapis.com/auth/x", "api://id/.default"], resource: "https://a.example" }],
    ["scope", { scope: ["a b"] }],
    ["scope", { scope: ["openid", "a", "openid"] }],
    ["scope", { scope: ["a\nb"] }],
    ["scope", { scope: [`a"b`] }],
    ["audience", { audience: "a\r\nb" }],
    ["resource", { resource: "relative" }],
    ["resource", { resource: "https://a.example#x" }],
    ["parameters", { parameters: { "a b": "x" } }],
    ["parameters", { parameters: { a: "\ud800" } }]
  ])("names %s in %j (S085)", (option, target) => {
    expect(problem(target)).toBe(option)
  })

  it.each([
    "grant_type",
    "requested_token_type",
    "client_id",
    "client_secret",
    "client_assertion",
    "redirect_uri",
    "state",
    "code_challenge",
    "scope"
  ])("refuses %s among the extra parameters (S091)", (name) => {
    expect(problem({ parameters: { [name]: "x" } })).toBe("parameters")
  })

  it("does not quote the value of a parameter", () => {
    const found = Option.getOrThrow(Grant.check("Test", { parameters: { code: Redacted.make("s3cret") } }))
    expect(found.message).not.toContain("s3cret")
  })
})
