"""How an English word that no dictionary has is roughly pronounced: letters to sounds by rule. Pure.

The sounds are those of the CMU pronouncing dictionary, without stress. A name that comes out a little wrong
is still found where it is said: its neighbours hold it in place, and most of its sounds are right.
"""

import re

_RULES = r"""
^kn|^gn|^pn             N
^wr                     R
^ps                     S
^wh                     W
^x                      Z
^y(?=[aeiou])           Y
tion|ssion|cian         SH AH N
sion                    ZH AH N
ture$                   CH ER
ough$                   OW
ough|augh               AO
eigh                    EY
igh                     AY
gh(?=[aeiou])           G
gh
tch|ch                  CH
sch|sh                  SH
th                      TH
ph                      F
ck|cc|kk                K
qu                      K W
ng$                     NG
n(?=[kgx])              NG
dge|dg                  JH
x                       K S
mb$                     M
bb                      B
dd                      D
ff                      F
gg                      G
ll                      L
mm                      M
nn                      N
pp                      P
rr                      R
ss                      S
tt                      T
zz                      Z
c(?=[eiy])              S
g(?=[eiy])              JH
'?s$(?<=[bdglmnrvwy]s)  Z
's$                     Z
(?<=[td])ed$            AH D
(?<=[pkfsxh])ed$        T
(?<=[a-z]{2})ed$        D
(?<=[a-z]{2})es$        Z
(?<=[a-z]{2})e$
(?<=[a-z]{2})y$         IY
^y$|y$                  AY
ee|ea|ie                IY
ey$                     IY
ei|ai|ay|ey             EY
oo|ue|ui|ew|eu          UW
oa|oe                   OW
ow$                     OW
ou|ow                   AW
oi|oy                   OY
au|aw                   AO
a(?=[bcdfgklmnpstvz]e$) EY
e(?=[bcdfgklmnpstvz]e$) IY
i(?=[bcdfgklmnpstvz]e$) AY
o(?=[bcdfgklmnpstvz]e$) OW
u(?=[bcdfgklmnpstvz]e$) UW
ar(?![aeiou])           AA R
or(?![aeiou])           AO R
(?:er|ir|ur)(?![aeiou]) ER
a$                      AH
i$                      IY
o$                      OW
u$                      UW
a                       AE
e                       EH
i                       IH
o                       AA
u                       AH
y                       IH
b                       B
c                       K
d                       D
f                       F
g                       G
h                       HH
j                       JH
k                       K
l                       L
m                       M
n                       N
p                       P
q                       K
r                       R
s                       S
t                       T
v                       V
w                       W
z                       Z
'
"""
"""Letters (a regular expression) and their sounds; the first that fits counts."""

_TABLE = [
    (re.compile(pattern), tuple(sounds)) for pattern, *sounds in (line.split() for line in _RULES.strip().splitlines())
]
_VOWEL = re.compile("[aeiouy]")
_NAMES = {
    "a": "EY", "b": "B IY", "c": "S IY", "d": "D IY", "e": "IY", "f": "EH F", "g": "JH IY", "h": "EY CH",
    "i": "AY", "j": "JH EY", "k": "K EY", "l": "EH L", "m": "EH M", "n": "EH N", "o": "OW", "p": "P IY",
    "q": "K Y UW", "r": "AA R", "s": "EH S", "t": "T IY", "u": "Y UW", "v": "V IY",
    "w": "D AH B AH L Y UW", "x": "EH K S", "y": "W AY", "z": "Z IY",
}  # fmt: skip


def sounds(word: str) -> str:
    """Of a word of a-z and the apostrophe, separated by spaces; spelled out where it has no vowel."""
    if not _VOWEL.search(word):
        return " ".join(_NAMES[letter] for letter in word if letter != "'")
    found: list[str] = []
    at = 0
    while at < len(word):
        for pattern, said in _TABLE:
            if match := pattern.match(word, at):
                found += said
                at = match.end()
                break
        else:
            at += 1
    return " ".join(found) or "AH"
