"""Each language says every sentence, and says it as its own readers write: a word of Brazil in the
Portuguese of Portugal is as wrong as the other way round."""

import re
from pathlib import Path

import django
import pytest
from django.apps import apps
from django.conf import settings
from django.utils.translation import to_locale

from tests.meta.source import ROOT, catalogue

LOCALES = [to_locale(code) for code, _name in settings.LANGUAGES if code != "en"]
# Each is the beginning of words; a blank in one is written \s.
PORTUGAL_ALONE = r"""
    registo registad registar ficheiro utilizador utilizaç palavra-passe palavras-passe ecrã
    telemóvel contact facto\b carácter controlo\b sítio (?:é|são|foi|será)\saceites?\b respetiv
    intermédi eletrónic ligação ligações definições pormenor correio num\b numa\b noutr fornecedor
    quota recetor demasiad deitar algarismo lha\b connosco secção deteta hífenes por\smedir
    bases?\sde\sdados folhas?\sde\scálculo (?:iniciar|inicie|terminar)\s(?:a\s)?sessão
    (?:um|o|do|no|os|dos)\sURLs?\b (?:uma|a|da|na)\sfirewall
    est(?:á|ão|ava|eja)\sa\s\w+[aei]r\b à\sespera a\scorrer a\sdecorrer
"""
BRAZIL_ALONE = r"""
    registr usuári senhas?\b arquivo telas?\b celular contat fatos?\b caractere\b controle\b
    salv(?:ar|ou|o|a|e|am|em)\b planilha conex(?:ão|ões) respectiv intermediári eletrôni você
    gerenci deleta cotas?\b receptor recepç provedor tags?\b logar aplicativo criptograf compartilh
    acess(?:ar|e|ou)\b seção detecta escopo resolvedor hifens sem\smedição
    bancos?\sde\sdados (?:uma|a|da|na)\sURLs?\b (?:um|o|do|no)\sfirewall
    est(?:á|ão|ava|eja)\s\w+ndo\b
"""
# Of before the agreement of 1990.
OLD = r"""
    acç activ(?!e\b) actua[lr] object directo direcç selec[çt] correcç correct projec[çt] excep[çt]
    adopt afect colec[çt] electr exact inspec[çt] protec[çt] óptim baptis húmid contracç fracç
    pára\b vêem lêem crêem dêem idéi freqüen conseqü lingüi seqüen tranqüil
"""
CAPITALS = r"""
    Janeiro Fevereiro Março Abril Maio Junho Julho Agosto Setembro Outubro Novembro Dezembro
    Segunda-feira Terça-feira Quarta-feira Quinta-feira Sexta-feira Sábado Domingo
"""
# What is left alone: places, tags, settings, names of hosts, labels in the menus of others' pages.
NO_WORD = re.compile(
    r"→ [^→]+|\{\w*\}|%\(\w+\)\w|%[sd]|<[^<>]*>|\w+=\S*"
    r"|[\w*.-]+\.(?:com|pem|example)\b"
)


def found(words, text, flags=re.I):
    """The words of a list that a text has."""
    pattern = r"(?<![\w-])(?:" + "|".join(words.split()) + r")\w*"
    return re.findall(pattern, NO_WORD.sub(" ", text), flags)


def wrong(locale, words, flags=re.I):
    """[(words, sentence)] of a catalogue."""
    said = [(found(words, text, flags), text) for text in catalogue(locale).values()]
    return [(words, text) for words, text in said if words]


def test_each_language_has_its_catalogue_and_can_be_chosen_wherever_one_is():
    assert sorted(p.name for p in (ROOT / "locale").iterdir()) == sorted(LOCALES)
    fields = [f for model in apps.get_models() for f in model._meta.fields if f.name == "language"]
    assert len(fields) > 1
    for field in fields:
        codes = [code for code, _title in field.choices]
        assert codes == [code for code, _name in settings.LANGUAGES], field


def places(text):
    return sorted(re.findall(r"\{\w*\}|%\(\w+\)[sd]", text))


@pytest.mark.parametrize("locale", LOCALES)
def test_every_sentence_is_said_with_its_places(locale):
    for (sentence, form), text in catalogue(locale).items():
        assert text, sentence
        if form == 0:  # the one of one thing, or of any number
            assert places(text) == places(sentence), (sentence, text)


def test_languages_say_the_same_sentences():
    first, *others = (set(catalogue(locale)) for locale in LOCALES)
    assert all(other == first for other in others)


def test_brazil_does_not_read_words_of_portugal():
    assert wrong("pt_BR", PORTUGAL_ALONE) == []
    assert not [text for text in catalogue("pt_BR").values() if re.search("[«»]", text)]


def test_portugal_does_not_read_words_of_brazil():
    assert wrong("pt", BRAZIL_ALONE) == []
    assert not [text for text in catalogue("pt").values() if re.search("[“”]", text)]


@pytest.mark.parametrize("locale", ["pt", "pt_BR"])
def test_it_is_spelled_as_since_1990(locale):
    assert wrong(locale, OLD) == []
    assert wrong(locale, CAPITALS, 0) == [], "months and days have no capital"


@pytest.mark.parametrize("locale", ["pt", "pt_BR"])
@pytest.mark.parametrize("part", ["conf", "contrib/admin", "contrib/auth", "contrib/contenttypes"])
def test_what_django_spells_as_before_is_said_by_us(locale, part):
    ours = catalogue(locale)
    said = catalogue(locale, Path(django.__file__).parent / part / "locale")
    assert [key for key, text in said.items() if found(OLD, text) and key not in ours] == []


def test_the_lists_find_what_they_are_for():
    brazil = "O arquivo do usuário está sendo salvo; a senha e o registro ficam no banco de dados"
    assert len(found(BRAZIL_ALONE, brazil)) == 7
    portugal = (
        "O ficheiro do utilizador está a ser guardado, e o registo num sítio da base de dados"
    )
    assert len(found(PORTUGAL_ALONE, portugal)) == 7
    assert found(OLD, "Está activa a selecção") == ["activa", "selecção"]
