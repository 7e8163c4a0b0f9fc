"""What the voices say in other languages than English. Without numbers, which every language writes in two ways."""

TEXTS = {
    "fr": (
        """La greffière arriva au tribunal avant tout le monde et posa son cahier sur la table. Elle aimait le silence
        de la grande salle, les fenêtres encore noires et l'odeur du bois ciré. Quand le juge entra, elle avait déjà
        écrit la date et le nom des témoins.""",
        """Pour réussir cette soupe, faites revenir les oignons dans un peu de beurre, ajoutez les carottes et les
        pommes de terre, puis couvrez d'eau. Laissez cuire doucement pendant que vous préparez le pain. Servez dans
        des assiettes bien chaudes.""",
    ),
    "es": (
        """El barco salió del puerto al amanecer, con el mar tranquilo y las velas recogidas. El capitán miraba el
        horizonte sin decir una palabra. Sabía que la tormenta llegaría antes de la noche, pero también sabía que su
        gente había visto cosas peores.""",
        """Mi abuela guardaba las cartas en una caja de madera, debajo de la cama. Cuando llovía, las sacaba una por
        una y nos contaba la historia de cada persona. Nunca supimos cuáles eran verdaderas y cuáles se las inventaba
        para hacernos reír.""",
    ),
    "it": (
        """La stazione era quasi vuota quando arrivò l'ultimo treno della sera. Un uomo scese con una valigia leggera
        e chiese al bigliettaio la strada per il centro. Fuori pioveva, e le luci della città si riflettevano nelle
        pozzanghere della piazza.""",
        """Il maestro apriva la finestra ogni mattina prima della lezione, anche in inverno. Diceva che l'aria fredda
        aiuta a pensare. Noi ragazzi tremavamo nei nostri banchi, ma nessuno aveva il coraggio di chiuderla.""",
    ),
    "de": (
        """Der Garten hinter dem alten Haus war seit vielen Jahren verwildert. Zwischen den Apfelbäumen wuchs das Gras
        so hoch, dass man den Weg zum Brunnen kaum noch finden konnte. Trotzdem kamen die Kinder aus dem Dorf jeden
        Sommer hierher, um zu spielen.""",
        """Bitte stellen Sie Ihr Gepäck unter den Sitz und lassen Sie den Gang frei. Wir erreichen den nächsten Bahnhof
        in wenigen Minuten. Reisende nach Hamburg steigen dort um und warten auf dem gegenüberliegenden Bahnsteig.""",
    ),
    "ru": (
        """Старый учитель жил на краю деревни в маленьком доме с синими окнами. Каждое утро он выходил в сад, поливал
        цветы и разговаривал с соседями о погоде. Вечером к нему приходили дети, и он читал им вслух книги о далёких
        странах.""",
        """Поезд остановился посреди поля, и пассажиры вышли на свежий воздух. Никто не знал, сколько придётся ждать.
        Проводник принёс горячий чай, кто-то достал гитару, и скоро все уже пели, забыв о дороге.""",
    ),
}
"""Language -> paragraphs."""

DAYS = {
    "en": "Sunday Monday Tuesday Wednesday Thursday Friday Saturday",
    "es": "domingo lunes martes miércoles jueves viernes sábado",
    "fr": "dimanche lundi mardi mercredi jeudi vendredi samedi",
    "it": "domenica lunedì martedì mercoledì giovedì venerdì sabato",
    "ru": "воскресенье понедельник вторник среда четверг пятница суббота",
}
MONTHS = {
    "en": "January February March April May June July August September October November December",
    "es": "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
    "fr": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
    "it": "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
    "ru": "января февраля марта апреля мая июня июля августа сентября октября ноября декабря",
}
"""As the recorded voices say them."""
NUMBERS = (*range(1, 21), 30)
"""Days of a month that are one word in every language."""
