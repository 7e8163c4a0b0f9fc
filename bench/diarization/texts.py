"""What is said in the conversations and where word times are measured. No text stands in both splits."""

SCORE = tuple(
    """\
Did you bring the plans for the new library?
They are in the car, but the printer made the second page too small to read.
Then let us begin with the money, because everything else depends on it.
The council gave us less than we asked for, though more than I had feared.
We could leave the reading room as it is and build only the children's corner this year.
I would rather do it properly once than come back every summer with a bucket of paint.
How long will the roof hold if we wait?
The builder said two winters, perhaps three when there is not much snow.
My sister called last night and wants to know whether she can stay with us in October.
Of course she can, as long as she does not mind the dog sleeping on her feet.
The train was so late that I finished my book before we reached the border.
Was it any good?
It begins well, then everybody moves to the seaside and nothing happens for a hundred pages.
I met the author once at a dinner, and he talked about fishing the whole evening.
Please close the window, the paper is flying all over the table.
There is soup in the kitchen if anyone is hungry.
I have already eaten with the people from the garden club.
They want to plant apple trees along the canal, which sounds lovely until you think of the wasps.
The doctor told him to walk for half an hour every day, and he has bought a bicycle instead.
At his age I would have bought a comfortable chair.
What I do not understand is why the letter took five weeks to arrive.
It went to the old address, and the neighbours kept it until they came back from holiday.
Somebody should tell the bank before they send another one.
I will do it tomorrow, right after the meeting with the school.
The teachers are worried about the bus, since it no longer stops at the bridge.
Could the children not walk from the church?
In the summer they could, but in the dark the road is dangerous for small children.
Then we need a lamp, and we need it before the clocks change.
Let me write that down, otherwise I will forget it like the last time.
You forgot it twice, but nobody is counting.
The museum offered us the big hall for the whole weekend without charging anything.
That is generous, so there must be something wrong with the heating.
It was repaired in spring, and the floor has been polished as well.
How many people do you expect?
Last year about two hundred came, and this time we have musicians from four countries.
The singer from Portugal cannot come before Saturday because her flight was cancelled.
We could ask her to sing in the evening, when it is cooler anyway.
My only question is who will bring the chairs back on Sunday night.
The students promised to help, provided there is pizza.
There is always pizza, that is how we got them to help the first time.
I looked at the numbers again this morning and found a mistake in the third column.
Is it a large one?
Large enough to pay for the lamp and for the paint too.
Then I take back everything I said about your spreadsheets.
The weather people say it will rain from Thursday until the middle of next week.
Good for the garden, bad for the wedding.
They have rented a tent, although nobody knows how to put it up.
My uncle was a sailor, so he can tie any knot you like.
""".strip().splitlines()
)
TUNE = tuple(
    """\
Who left the ladder standing in front of the garage?
That was me, I wanted to look at the gutter before the storm.
You could have asked me to hold it for you.
The market moves to the other square while they repair the fountain.
I never buy fish there after noon, when the sun has been on it for hours.
Her exhibition opens on Friday with pictures of bridges and empty factories.
She took most of them from a balloon, which I would not do for any money.
Our neighbour plays the trumpet, but only when he believes that we are out.
Could you explain the rules again, slowly this time?
Everyone gets seven cards, and the lowest number begins.
The lowest one, are you sure about that?
I have played it since I was a child, and we always did it this way.
The radio said the tunnel will be closed for at least nine days.
Then we drive over the mountain and stop for lunch at the lake.
Last time the restaurant was full and we ate biscuits in the car.
The printer asks for a colour that I have never heard of.
Turn it off, count to twenty, and turn it on again.
It worked, although I have no idea why.
My daughter wants to become a pilot, or a vet, or perhaps both.
When I was small I wanted to drive the tram, and for one afternoon I did.
They let you drive it alone?
Only inside the depot, with my grandfather standing right behind me.
The soil is too wet for tomatoes, try beans instead.
We tried beans, and the rabbits were very pleased with us.
A fence would help, but it would also spoil the view over the valley.
He speaks four languages and is silent in all of them.
The choir needs two more tenors before the concert in March.
I can sing loudly or in tune, please choose.
Every evening at eight the power goes out for about one minute.
Perhaps somebody switches on a very large kettle.
The contract says three months, and the lawyer says it means four.
We should read it once more before anybody signs it.
""".strip().splitlines()
)
SCORE_ASIDES = ("Yes.", "Exactly.", "I see.", "Really?", "Of course.", "That is true.")
TUNE_ASIDES = ("Right.", "Oh yes.", "No!", "I know.", "Good point.", "Sure.")
"""What is said while somebody else goes on talking."""

OTHERS = {
    "fr": """Le facteur monte la colline à pied depuis que son vélo a perdu une roue. Il connaît chaque chien et chaque
    jardin, et les vieilles dames lui offrent du café quand il pleut. Hier, il a apporté une lettre qui venait de très
    loin. Personne ne savait la lire, alors toute la rue s'est réunie devant la boulangerie.""",
    "es": """El zapatero trabaja junto a la ventana porque la luz de la tarde le parece la mejor. Los niños se paran a
    mirar sus manos y le preguntan cómo se llama cada herramienta. Antes tenía un aprendiz, pero el muchacho se fue a la
    ciudad. Ahora habla con la radio y con los pájaros del patio.""",
    "it": """La nonna prepara il pane ogni sabato e lo divide con le vicine di casa. Quando il forno è acceso, tutta la
    scala profuma di legna e di farina. I ragazzi del piano di sopra arrivano sempre per primi. Nessuno ha mai scoperto
    come facciano a sapere il momento giusto.""",
    "de": """Der Uhrmacher öffnet seinen Laden erst, wenn die Sonne über den Dächern steht. An den Wänden hängen
    viele alte Uhren, und keine zeigt die gleiche Zeit. Eine Frau brachte ihm gestern die Taschenuhr ihres Großvaters.
    Er hielt sie lange ans Ohr und lächelte.""",
}
"""Language -> a paragraph that espeak-ng reads where word times are measured. Its Russian is not heard as speech."""
