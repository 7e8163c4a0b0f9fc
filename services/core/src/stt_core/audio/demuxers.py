"""The demuxers that may read a file: those that find sound in it by its content, and open nothing else.

Left out are playlists, manifests and scripts (they open other files), devices and networks, pictures,
subtitles and bare video (there is no sound), and samples without a header (nothing in them says what they
are). All that FFmpeg has is judged in tests/test_demuxers.py.
"""

SOUND = (
    "aac ac3 ac4 act aea aiff amr amrnb amrwb apac ape au avr bit bonk caf codec2 dsf dss dts dtshd "
    "eac3 epaf flac gsm hcom iff ilbc ircam laf lc3 loas mlp mmf mp3 mpc mpc8 nistsphere nsp ogg oma "
    "osq pvf qcp qoa rka s337m sds sdx shn sox spdif tak truehd tta voc vqf w64 wav wavarc wsd wv wve"
)
FILMS = (
    "asf avi dhav dv flv gxf hxvs ifv ivr kux live_flv lmlm4 luodat lvf lxf matroska mlv mov mpeg "
    "mpegts mtv mxf mxg nsv nut nuv pmp pva r3d rm siff smjpeg swf ty vivo wtv"
)
GAMES = (
    "3dostr 4xm aax ace acm adp ads adx afc aix alp apc apm argo_asf argo_brp argo_cvg ast avs "
    "bethsoftvid bfi bfstm bink binka bmv boa brstm c93 cdxl dcstr derf dfa dsicin dxa ea ea_cdata "
    "film_cpk fsb fwse gdv genh hca hnm idcin ipmovie iss jv kvag mca mm mods moflex msf mtaf musx mv "
    "mvi paf pp_bnk psxstr redspark rl2 roq rpl rsd rso scd sdns sdr2 sga smk smush sol svag svs thp "
    "tiertexseq tmv usm vag vividas vmd vpk wady wc3movie wsaud wsvqa xa xmd xmv xvag xwma yop"
)
"""What people speak in them is transcribed, too."""

CLOCKED = frozenset(f"{FILMS} flac ogg".split())
"""Those whose files have timestamps. Of the others FFmpeg makes them up, by the rate that it meets first."""

OPENED = tuple(f"{SOUND} {FILMS} {GAMES}".split())
