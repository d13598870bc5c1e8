import { describe, expect, it } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Login from "../../src/protocol/Login.ts"
import type * as TokenResponse from "../../src/protocol/TokenResponse.ts"

const login: Login.Login = {
  params: [],
  shape: { accessToken: "result.access_token" },
  message: "error_msg",
  oneTime: false,
  previousRefreshToken: Redacted.make("r0")
}

const decode = (answer: Partial<TokenResponse.TokenResponse>, more?: Partial<Login.Login>) =>
  Login.decode(
    { ...login, ...more },
    { provider: "Test", status: 200, headers: {}, body: "{}", requestedAt: DateTime.unsafeMake(0), ...answer }
  )

const reasonOf = (answer: ReturnType<typeof decode>) =>
  Either.match(answer, { onLeft: ({ reason }) => reason, onRight: () => expect.fail("expected a failure") })

describe("the answer to a login", () => {
  it("is a token where the shape says; the refresh token that was sent stays, unless there is another", () => {
    const body = (more: object) => JSON.stringify({ code: 200, result: { access_token: "t", expires_in: 60, ...more } })
    const refreshTokenOf = (body: string) =>
      Option.getOrUndefined(Option.map(Either.getOrThrow(decode({ body })).refreshToken, Redacted.value))
    expect(refreshTokenOf(body({}))).toBe("r0")
    expect(refreshTokenOf(body({ refresh_token: "r1" }))).toBe("r1")
    expect(Option.isSome(Either.getOrThrow(decode({ body: body({}) })).expiresAt)).toBe(true)
  })

  it.each([400, 401, 403, 404, 409, 410, 422])("with status %d is a refusal, with the reason given", (status) => {
    expect(reasonOf(decode({ status, body: `{"error_msg":"wrong\\u001b[31m password"}` }))).toEqual({
      _tag: "Rejected",
      code: "invalid_grant",
      description: "wrong[31m password",
      status
    })
  })

  it.each<[string, Partial<Login.Login>]>([
    ["<html>not JSON</html>", {}],
    ["", {}],
    [`{"error_msg":7}`, {}],
    [`{"error_msg":" "}`, {}],
    [`{"error_msg":"wrong"}`, { message: undefined }],
    [`{"error_msg":"wrong"}`, { message: "detail.text" }]
  ])("%j says its status where it says nothing else", (body, more) => {
    expect(reasonOf(decode({ status: 401, body }, more))).toMatchObject({ description: "status 401" })
  })

  it("is not quoted where it quotes a secret", () => {
    const reason = reasonOf(decode({ status: 401, body: `{"error_msg":"no c4nary"}`, isEchoed: () => true }))
    expect(reason).toMatchObject({ description: "withheld, because it quotes a secret" })
  })

  it.each<[number, string]>([
    [408, "Unavailable"],
    [429, "Unavailable"],
    [500, "Unavailable"],
    [503, "Unavailable"],
    [200, "InvalidResponse"],
    [204, "InvalidResponse"],
    [418, "InvalidResponse"]
  ])("with status %d and no token is %s", (status, tag) => {
    expect(reasonOf(decode({ status }))._tag).toBe(tag)
  })
})
