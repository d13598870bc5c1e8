/**
 * Logins that wait for somebody's decision, as an authorization server keeps them: device codes (RFC 8628) and authorization codes (RFC 6749 §4.1).
 *
 * @module
 */

/** What a client asked for. */
export interface Asked {
  readonly clientId: string
  readonly scope: ReadonlyArray<string>
}

/** What was decided: the person who agreed, or nobody. */
export type Decision<Person> = { readonly agreed: true; readonly person: Person } | { readonly agreed: false }

/** An OAuth error code, or the login that may be completed now, once. */
export type Outcome<Login> =
  | { readonly _tag: "Refused"; readonly code: string; readonly spent?: Login }
  | { readonly _tag: "Done"; readonly login: Login }

const refused = <Login>(code: string, spent?: Login): Outcome<Login> => ({
  _tag: "Refused",
  code,
  ...(spent === undefined ? {} : { spent })
})

/** Seconds between polls, and by how much more each time somebody is too fast (RFC 8628 §3.5). */
export const interval = 5

/** Seconds that a device code lives. */
export const deviceCodeLifetime = 600

/** Seconds that an authorization code lives. */
export const codeLifetime = 60

/** A login on a second device. */
export interface DeviceLogin<Person> extends Asked {
  readonly deviceCode: string
  readonly userCode: string
  readonly expiresAt: number
  interval: number
  asked: number
  decision: Decision<Person> | undefined
  spent: boolean
}

/** Logins on a second device. All times are milliseconds. */
export interface Devices<Person> {
  readonly begin: (asked: Asked, now: number) => DeviceLogin<Person>
  /** False: nobody waits with this code. */
  readonly decide: (userCode: string, decision: Decision<Person>, now: number) => boolean
  readonly poll: (deviceCode: string, clientId: string, now: number) => Outcome<DeviceLogin<Person>>
}

export const devices = <Person>(): Devices<Person> => {
  const logins: Array<DeviceLogin<Person>> = []
  const plain = (code: string) => code.replaceAll(/[^A-Z0-9]/gi, "").toUpperCase()
  return {
    begin: (asked, now) => {
      const nth = logins.length + 1
      const login: DeviceLogin<Person> = {
        ...asked,
        deviceCode: `device-code-${nth}`,
        userCode: `TEST-${String(nth).padStart(4, "0")}`,
        expiresAt: now + deviceCodeLifetime * 1000,
        interval: interval * 1000,
        asked: now,
        decision: undefined,
        spent: false
      }
      logins.push(login)
      return login
    },
    decide: (userCode, decision, now) => {
      const login = logins.find((one) => plain(one.userCode) === plain(userCode))
      if (login === undefined || login.decision !== undefined || now >= login.expiresAt) return false
      login.decision = decision
      return true
    },
    poll: (deviceCode, clientId, now) => {
      const login = logins.find((one) => one.deviceCode === deviceCode)
      if (login === undefined || login.clientId !== clientId || login.spent) return refused("invalid_grant")
      if (now >= login.expiresAt) return refused("expired_token")
      const isEarly = now - login.asked < login.interval
      login.asked = now
      if (login.decision === undefined && isEarly) {
        login.interval += interval * 1000
        return refused("slow_down")
      }
      if (login.decision === undefined) return refused("authorization_pending")
      login.spent = true
      return login.decision.agreed ? { _tag: "Done", login } : refused("access_denied")
    }
  }
}

/** A login in a browser that somebody has agreed to. */
export interface CodeLogin<Session> extends Asked {
  readonly redirectUri: string
  readonly challenge: string | undefined
  readonly session: Session
  readonly expiresAt: number
  spent: boolean
}

/** Logins in a browser. All times are milliseconds. */
export interface Codes<Session> {
  readonly issue: (login: Omit<CodeLogin<Session>, "expiresAt" | "spent">, now: number) => string
  /** `challenge` is that of the verifier, if one was sent. */
  readonly redeem: (
    code: string,
    from: { readonly clientId: string; readonly redirectUri: string; readonly challenge: string | undefined },
    now: number
  ) => Outcome<CodeLogin<Session>>
}

export const codes = <Session>(): Codes<Session> => {
  const logins = new Map<string, CodeLogin<Session>>()
  return {
    issue: (login, now) => {
      const code = `code-${logins.size + 1}`
      logins.set(code, { ...login, expiresAt: now + codeLifetime * 1000, spent: false })
      return code
    },
    redeem: (code, from, now) => {
      const login = logins.get(code)
      if (login === undefined || login.clientId !== from.clientId) return refused("invalid_grant")
      if (login.spent) return refused("invalid_grant", login)
      if (now >= login.expiresAt || login.redirectUri !== from.redirectUri || login.challenge !== from.challenge) {
        return refused("invalid_grant")
      }
      login.spent = true
      return { _tag: "Done", login }
    }
  }
}
