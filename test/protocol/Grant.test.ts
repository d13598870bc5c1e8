import { describe, expect, it } from "@effect/vitest"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Grant from "../../src/protocol/Grant.ts"

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
